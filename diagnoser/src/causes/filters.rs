//! What the two causes share by which the packet filter of a machine ends connections: one in silence, one with an answer.

use std::collections::BTreeMap;

use super::{Case, Finding, Lack, Proof, State};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Hosts, Outcome, Rule},
    model::Model,
    propagation::Mode,
    subject::Subject,
    ways::{Direction, End, Way, Ways},
};

/// The rule by which a way ends, where it is of the kind looked for.
pub(super) type Stopped<'w> = Option<(&'w str, &'w Rule)>;

/// Looks at every failing connection of machines: which machine's filter stops it on its way there or back.
pub(super) fn examine(
    case: &Case<'_, '_>,
    modes: &[Mode],
    stopped: impl for<'w> Fn(&'w End) -> Stopped<'w>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for connection in case.suffering().filter(|connection| !is_mixed(connection)) {
        for (_, ways) in &connection.ways {
            found.extend(one(case.model, connection, ways, modes, &stopped));
        }
    }
    found
}

/// Whether something came through again after it had failed: what stops the packets that open a connection stops all of them.
pub(super) fn is_mixed(connection: &Connection) -> bool {
    let got_through =
        |attempt: &&crate::connections::Attempt| attempt.status.is_some() || attempt.in_words || !attempt.failed;
    let after = connection.latest().iter().skip_while(|attempt| !attempt.failed);
    after.filter(got_through).count() > 0
}

/// Whether somebody was told of the end, where it is one that is told of: silence alone is the sign of another.
fn is_heard(connection: &Connection, end: &End) -> bool {
    match end {
        End::Rejected { .. } => connection.comes_to(&[Outcome::Refused, Outcome::Unreachable, Outcome::Failed]),
        _ => true,
    }
}

fn one(
    model: &Model<'_>,
    connection: &Connection,
    ways: &Ways,
    modes: &[Mode],
    stopped: &impl for<'w> Fn(&'w End) -> Stopped<'w>,
) -> Vec<Finding> {
    let effects: Vec<(Subject, Mode)> = modes.iter().map(|mode| (connection.subject(), *mode)).collect();
    let finding = |host: &str, effects: Vec<(Subject, Mode)>, state| Finding {
        subject: model.evidence.machine(host),
        effects,
        state,
    };
    let mut found = Vec::new();
    for (direction, way) in ways.each().filter(|(_, way)| !way.one_sided) {
        if let Some((host, rule)) = stopped(&way.end).filter(|_| is_heard(connection, &way.end)) {
            let fix = fix(connection, direction, host, rule);
            let mut evidence = vec![Hosts::cite_rule(host, rule)];
            evidence.extend(connection.cites());
            let proof = Proof { evidence, fix, wants: lacks(ways), changed: None };
            let effects = way.end.modes().iter().map(|mode| (connection.subject(), *mode)).collect();
            found.push(finding(host, effects, State::Holds(Box::new(proof))));
        }
    }
    if !found.is_empty() {
        return found;
    }
    // Whose filters might, as far as is known.
    let mut open: BTreeMap<String, Vec<Lack>> = BTreeMap::new();
    for lack in lacks(ways) {
        let host = host_of(&lack).unwrap_or_default().to_owned();
        open.entry(host).or_default().push(lack);
    }
    for (host, lacks) in open.into_iter().filter(|(host, _)| !host.is_empty()) {
        found.push(finding(&host, effects.clone(), State::Undecided(lacks)));
    }
    for (_, way) in ways.each() {
        if let End::Unclear { host, .. } = &way.end {
            found.push(finding(host, effects.clone(), State::Undecided(vec![])));
        }
    }
    let undecided: Vec<Subject> = found.iter().map(|finding| finding.subject.clone()).collect();
    for host in ways.hosts() {
        let subject = model.evidence.machine(host);
        if !undecided.contains(&subject) {
            let cited = Citation::new(Hosts::file(host, "nft"), "", "no rule stops these packets");
            let state = State::excluded(format!("the packet filter of {host} does not stop it"), vec![cited]);
            found.push(Finding { subject, effects: effects.clone(), state });
        }
    }
    found
}

/// What is lacking on both ways, a machine's own settings apart.
fn lacks(ways: &Ways) -> Vec<Lack> {
    ways.lacks().into_iter().filter(|lack| !lack.what.ends_with("/sysctl.txt")).collect()
}

/// The machine that a reading is lacking of.
pub(super) fn host_of(lack: &Lack) -> Option<&str> {
    match &lack.request.as_ref()?.reading {
        crate::request::Reading::HostFact { host, .. } => Some(host),
        _ => None,
    }
}

fn fix(connection: &Connection, direction: Direction, host: &str, rule: &Rule) -> Fix {
    // What a chain does with everything that nobody let in is meant so; the exception is missing.
    let (what, command) = match (rule.policy, direction, connection.port) {
        (true, Direction::There, Some(port)) => (format!("Let connections to port {port} in on"), rule.allow(port)),
        _ => (format!("Delete the rule `{}` of", rule.text), rule.delete()),
    };
    Fix { summary: format!("{what} {host}"), patch: vec![Change::Run { host: host.to_owned(), command }] }
}

/// Each way of every connection that fails, for the causes that look at ends themselves.
pub(super) fn ends<'m>(case: &Case<'m, '_>) -> impl Iterator<Item = (&'m Connection, &'m Ways, &'m Way)> {
    case.suffering().filter(|connection| !is_mixed(connection)).flat_map(|connection| {
        let ways = connection.ways.iter().map(|(_, ways)| ways);
        ways.flat_map(move |ways| ways.each().map(move |(_, way)| (connection, ways, way)))
    })
}
