//! A MongoDB server waits for a replica set that nobody has initiated: it has no members, so nobody is elected.
//!
//! # What it looks like
//! The server takes connections and answers; writes are refused with `NotWritablePrimary`, and drivers find no primary. Where the
//! members of a set merely do not see a majority of each other, clients are told the same.
//!
//! # Confirm by hand
//! `rs.status()` answers `NotYetInitialized: no replset config has been received`; `net.replSetName` is set in mongod.conf.
//!
//! # Fix
//! `rs.initiate({_id: NAME, members: [...]})` once, on one of the members; where it is to stand alone, take `replSetName` away.
//!
//! # Who acts
//! Whoever runs the database.
//!
//! # Source
//! mongodb.com, Manual, "Deploy a Replica Set"; error codes 94 NotYetInitialized and 10107 NotWritablePrimary.

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    connections::Connection,
    diagnosis::Fix,
    evidence::{Fact, ReplicaSet},
    model::{Model, clusters},
    propagation::Mode,
};

/// See the module's comment.
pub struct MongodbReplicaSetNotInitiated;

impl Cause for MongodbReplicaSetNotInitiated {
    fn id(&self) -> &'static str {
        "mongodb-replica-set-not-initiated"
    }

    fn source(&self) -> &'static str {
        include_str!("mongodb_replica_set_not_initiated.rs")
    }

    fn owner(&self) -> &'static str {
        "database"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let refused = clusters::refused(case.model, clusters::lacks_primary);
        let findings = refused.filter_map(|connection| {
            let host = connection.host(case.model)?;
            Some(Finding {
                subject: case.model.evidence.machine(host),
                effects: vec![(connection.subject(), Mode::Errors)],
                state: one(case.model, connection, host),
            })
        });
        findings.collect()
    }
}

fn one(model: &Model<'_>, connection: &Connection, host: &str) -> State {
    let services = &model.evidence.services;
    let seen: Vec<ReplicaSet> =
        services.machines().filter_map(|machine| services.replica_set(machine).seen()).collect();
    if seen.is_empty() {
        let Fact::Missed(why) = services.replica_set(host) else { return State::Undecided(vec![]) };
        let command = "mongosh --quiet --eval 'JSON.stringify(rs.status())'";
        return State::Undecided(vec![Lack::service(host, "rs-status.json", command, why)]);
    }
    if let Some(set) = seen.iter().find(|set| !set.members.is_empty()) {
        let cited = set.members.iter().map(|member| member.cited.clone()).collect();
        return State::excluded("the set has members", cited);
    }
    let refusal = seen
        .into_iter()
        .filter_map(|set| set.refusal)
        .find(|(says, _)| says.contains("NotYetInitialized") || says.contains("no replset config"));
    let Some((_, cited)) = refusal else {
        return State::excluded("it is no member of a set", vec![]);
    };
    let mut evidence = vec![cited];
    evidence.extend(connection.cites());
    let summary = format!("Initiate the replica set, once, on {host}: rs.initiate with all its members");
    State::holds(evidence, Fix { summary, patch: vec![] })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
        machine one 10.80.1.21/24 listens 0.0.0.0:27017
        probe host/client -> mongodb://10.80.1.21:27017/shop  failed in 9ms  at 10.80.1.21:27017  says 10107 NotWritablePrimary: not primary";

    #[test]
    fn holds() {
        let status = r#"file services/one/rs-status.json | {"ok":0,"errmsg":"no replset config has been received","codeName":"NotYetInitialized"}"#;
        check(&format!("{WORLD}\n{status}\n=> mongodb-replica-set-not-initiated host/one"));
    }

    #[test]
    fn twin_no_majority() {
        let status = r#"file services/one/rs-status.json | {"members":[{"name":"10.80.1.21:27017","health":1,"stateStr":"SECONDARY"},{"name":"10.80.1.22:27017","health":0,"stateStr":"(not reachable/healthy)"}]}"#;
        let two = "machine two 10.80.1.22/24 listens *:22\nunit two mongod inactive (dead)";
        let own = "probe host/one -> tcp://10.80.1.22:27017  refused in 1ms  at 10.80.1.22:27017";
        check(&format!("{WORLD}\n{two}\n{own}\n{status}\n=> process-not-listening host/two"));
    }

    #[test]
    fn twin_no_majority_for_clients_that_name_all_members() {
        let status = r#"file services/one/rs-status.json | {"members":[{"name":"10.80.1.21:27017","health":1,"stateStr":"SECONDARY"},{"name":"10.80.1.22:27017","health":0,"stateStr":"(not reachable/healthy)"}]}"#;
        let two = "machine two 10.80.1.22/24 listens *:22\nunit two mongod inactive (dead)";
        let own = "probe host/one -> tcp://10.80.1.22:27017  refused in 1ms  at 10.80.1.22:27017";
        let client = "request from=host/client hop=client method=INSERT path=/shop upstream=one.example.test:27017,two.example.test:27017 \
                      address=10.80.1.21:27017 outcome=failed error=failed:ReplicaSetNoPrimary x10";
        let machines = WORLD.split("probe").next().unwrap_or_default();
        check(&format!("{machines}{client}\n{two}\n{own}\n{status}\n=> process-not-listening host/two"));
    }

    #[test]
    fn unknown_without_the_state_of_the_set() {
        check(&format!("{WORLD}\n=> unknown lacks services/one/rs-status.json"));
    }
}
