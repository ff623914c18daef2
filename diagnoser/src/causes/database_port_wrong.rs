//! A workload is told to reach its database on a port that the database's Service does not have.
//!
//! # What it looks like
//! The pods end as they start, or answer errors: their driver tells that no connection could be made (`Communications link
//! failure`, `connection refused`, a timeout), while other workloads use the same database. It began with a change of a setting.
//!
//! # Confirm by hand
//! `kubectl -n NS get deploy NAME -o yaml` shows where host and port come from (env, ConfigMap, Secret); `kubectl -n NS get svc
//! DATABASE` has another port. From a pod `nc -vz DATABASE PORT` fails on the one and connects on the other.
//!
//! # Fix
//! Correct the port in the setting and let the pods start anew.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Service, "Defining a Service" (a Service forwards the ports it lists and no other); MySQL Connector/J, Troubleshooting.

use crate::json::Value;

use super::{
    Case, Cause, Finding, Lack, State, containers,
    databases::{self, Database, Setting},
    rollout,
};
use crate::{
    diagnosis::{Change, Fix},
    drivers::{self, Told},
    evidence::{Citation, Fact, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct DatabasePortWrong;

impl Cause for DatabasePortWrong {
    fn id(&self) -> &'static str {
        "database-port-wrong"
    }

    fn source(&self) -> &'static str {
        include_str!("database_port_wrong.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        containers::examine(case.model, |workload, pod| Some((look(case.model, workload, pod)?, false)))
    }
}

fn look(model: &Model<'_>, workload: &Subject, pod: &Object) -> Option<State> {
    let told = drivers::last(model, pod.subject(), Told::NoConnection);
    let databases = databases::of(model, pod);
    let wrong = databases.iter().find_map(|database| {
        let (port, setting) = database.port.as_ref()?;
        let (listed, forwards) = ports(model, &database.service)?;
        (!forwards.contains(&i64::from(*port))).then_some((database, *port, setting, listed))
    });
    let Some((database, port, setting, listed)) = wrong else {
        let told = told?;
        if let Fact::Missed(why) = model.evidence.listed("service", "services") {
            return Some(State::Undecided(vec![Lack::objects("services", Some(pod.namespace()), why)]));
        }
        let unread = databases::unread(model, pod);
        if databases.is_empty() && !unread.is_empty() {
            return Some(State::Undecided(unread));
        }
        return Some(State::excluded("it is told of no port that a Service does not have", vec![told]));
    };
    let Some(told) = told else {
        return Some(if model.evidence.logs.of(pod.subject()).is_empty() {
            State::Undecided(vec![containers::lack_log(pod)])
        } else {
            State::excluded("its log tells of no connection that could not be made", vec![setting.cited.clone()])
        });
    };
    let mut evidence = vec![database.host.cited.clone(), setting.cited.clone(), listed, told];
    let (right, because) = right(model, workload, database);
    evidence.extend(because);
    let fix = match right {
        Some(right) => {
            let mut patch = vec![change(model, setting, port, right)];
            if !setting.object.is(&workload.kind) {
                patch.extend(rollout::restart(model, workload));
            }
            let summary = format!("Let {workload} reach {} on port {right} instead of {port}", database.service);
            Fix { summary, patch }
        }
        None => {
            let summary = format!("Correct the port {port} by which {workload} is to reach {}", database.service);
            Fix { summary, patch: vec![] }
        }
    };
    Some(State::holds(evidence, fix))
}

/// The ports of a Service, as a reading and as numbers. A headless one stands for its pods, whose ports count as well.
fn ports(model: &Model<'_>, service: &Subject) -> Option<(Citation, Vec<i64>)> {
    let service = model.object(service).filter(|service| service.text("/spec/type") != Some("ExternalName"))?;
    let listed: Vec<i64> = service.list("/spec/ports").iter().filter_map(|port| port["port"].as_i64()).collect();
    let said: Vec<String> = listed.iter().map(i64::to_string).collect();
    let mut known = listed;
    if service.text("/spec/clusterIP") == Some("None") {
        known.extend(service.list("/spec/ports").iter().filter_map(|port| port["targetPort"].as_i64()));
        for pod in model.selected_pods(service) {
            let containers = pod.list("/spec/containers").iter();
            let declared = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
            known.extend(declared.filter_map(|port| port["containerPort"].as_i64()));
        }
    }
    let says = format!("{} has port {}", service.subject(), said.join(", "));
    (!known.is_empty()).then(|| (service.cite("/spec/ports", says), known))
}

/// The port that is meant: the only one that the Service has, or the only one that others are told of who get through.
fn right(model: &Model<'_>, workload: &Subject, database: &Database) -> (Option<u16>, Option<Citation>) {
    let known = ports(model, &database.service).map(|(_, known)| known).unwrap_or_default();
    let mut used: Vec<(u16, Setting)> = databases::others(model, workload)
        .iter()
        .flat_map(|pod| databases::of(model, pod))
        .filter(|other| other.service == database.service)
        .filter_map(|other| other.port)
        .filter(|(port, _)| known.contains(&i64::from(*port)))
        .collect();
    used.sort_by_key(|(port, _)| *port);
    used.dedup_by_key(|(port, _)| *port);
    match (known.as_slice(), used.as_slice()) {
        ([port], _) => (u16::try_from(*port).ok(), None),
        (_, [(port, setting)]) => (Some(*port), Some(setting.cited.clone())),
        _ => (None, None),
    }
}

fn change(model: &Model<'_>, setting: &Setting, wrong: u16, right: u16) -> Change {
    let now = model.object(&setting.object).and_then(|object| object.get(&setting.path)).cloned();
    let value = if setting.value == wrong.to_string() {
        right.to_string()
    } else {
        setting.value.replace(&format!(":{wrong}"), &format!(":{right}"))
    };
    Change::Set {
        object: setting.object.clone(),
        path: setting.path.clone(),
        from: now.unwrap_or(Value::Null),
        to: setting.stored(&value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::ended;
    use crate::sketch::check;

    /// A workload whose pod ends as it starts, told of its database on `PORT`.
    fn world(port: &str) -> String {
        format!(
            "service a/db  selector app=db  3306 -> 3306
             pod a/db-1  app=db  ready  declares 3306
             deployment a/p  app=p
             object Secret a/settings data.DB_HOST=ZGI= data.DB_PORT={port}
             pod a/p-1  app=p  unready  owner deployment/a/p
             set pod/a/p-1 spec.containers[0].envFrom[0].secretRef.name=settings
             {}\n",
            ended(1, "Error")
        )
    }
    const TOLD: &str = "log a/p-1  x.CommunicationsException: Communications link failure";

    #[test]
    fn holds_where_the_service_has_no_such_port() {
        check(&format!("{}{TOLD}\n=> database-port-wrong deployment/a/p", world("MzQwMDA=")));
    }

    #[test]
    fn holds_where_it_is_one_url_of_the_template() {
        check(&format!(
            "service a/db  selector app=db  5432 -> 5432
             pod a/db-1  app=db  ready  declares 5432
             deployment a/p  app=p
             pod a/p-1  app=p  unready  owner deployment/a/p  calls postgres://u:p@db:5433/x
             {}
             log a/p-1 dial tcp 10.96.0.1:5433: connect: connection refused
             => database-port-wrong deployment/a/p",
            ended(1, "Error")
        ));
    }

    #[test]
    fn twins_a_right_port_and_another_complaint() {
        check(&format!("{}{TOLD}\n=> unknown", world("MzMwNg==")));
        check(&format!("{}log a/p-1  Access denied for user 'x'@'y'\n=> unknown", world("MzQwMDA=")));
    }

    #[test]
    fn unknown_without_the_log_the_secret_or_the_services() {
        check(&format!("{}=> unknown lacks logs/a_p-1_*.txt", world("MzQwMDA=")));
        let taken = world("MzQwMDA=").replace("data.DB_HOST=ZGI= data.DB_PORT=MzQwMDA=", "type=Opaque");
        check(&format!("{taken}{TOLD}\n=> unknown lacks secret/a/settings"));
        let none = world("MzQwMDA=").lines().skip(1).map(|line| format!("{line}\n")).collect::<String>();
        check(&format!("{none}{TOLD}\nmissed services forbidden\n=> unknown lacks services of namespace a"));
    }
}
