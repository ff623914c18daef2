//! The way of a connection between machines, from the client to the server and over whom the answer comes back.

use crate::{
    connections::{self, Connection},
    diagnosis::{Diagnosis, Hop},
    evidence::Fact,
    model::Model,
    symptoms::{Symptom, words},
    ways::{self, Direction, End, Way, Ways},
};

/// The hops of a symptom that is of a connection of machines, where its ways are known.
pub(super) fn path(model: &Model<'_>, symptom: &Symptom, diagnosis: &Diagnosis) -> Option<Vec<Hop>> {
    let connection = connections::find(model, symptom.connection.as_ref()?)?;
    let ways = connection.ways()?;
    let mut hops: Vec<Hop> =
        ways.there.hops.iter().map(|hop| told(model, connection, ways, &ways.there, &hop.host)).collect();
    let client = hops.first_mut()?;
    client.seen.insert(0, words(symptom.seen));
    client.reached = Some(true);
    // Whoever answers, well or with a refusal of its own, was reached, and all before it.
    let answered = connection.reaches()
        || matches!(symptom.seen, crate::symptoms::Observation::Failed(crate::evidence::Outcome::Refused));
    let fault = ways.fault();
    if answered && fault.is_none() {
        hops.iter_mut().for_each(|hop| hop.reached = Some(true));
    }
    if let Some(back) = &ways.back {
        let only: Vec<&str> = back.hosts().filter(|host| !ways.there.hosts().any(|known| known == *host)).collect();
        for host in only {
            let mut hop = told(model, connection, ways, back, host);
            hop.name = format!("{host} (back)");
            hops.push(hop);
        }
    }
    mark(model, &mut hops, ways, diagnosis);
    Some(hops)
}

/// What was seen at one machine.
fn told(model: &Model<'_>, connection: &Connection, ways: &Ways, way: &Way, host: &str) -> Hop {
    let mut seen = Vec::new();
    if let Some(hop) = way.at(host)
        && let Some(route) = &hop.route
    {
        let by = hop.oif.as_ref().map(|oif| format!(" by {}", oif.name)).unwrap_or_default();
        seen.push(match (route.is_default(), route.via) {
            (true, Some(via)) => format!("default via {via}{by}"),
            (_, Some(via)) => format!("{} via {via}{by}", route.to),
            (_, None) => format!("{} on the link{by}", route.to),
        });
        if hop.translated.is_some() {
            seen.push(format!("as {}", hop.source.map(|source| source.to_string()).unwrap_or_default()));
        }
    }
    for (direction, end) in ways.faults().into_iter().filter(|(_, end)| end.host() == Some(host)) {
        let back = if direction == Direction::Back { " (the answer)" } else { "" };
        seen.push(format!("{}{back}", end.says()));
    }
    let last = way.hops.last().is_some_and(|hop| hop.host == host) && matches!(way.end, End::Arrives(_));
    if last
        && connection.host(model) == Some(host)
        && let (Some(port), Fact::Seen(listening)) = (connection.port, model.evidence.hosts.listeners(host, "ss"))
    {
        let here: Vec<String> = listening.iter().filter(|l| l.port == port).map(|l| l.address.clone()).collect();
        let says = if here.is_empty() { "nothing".to_owned() } else { here.join(", ") };
        seen.push(format!("listens on {port}: {says}"));
    }
    Hop {
        name: host.to_owned(),
        subjects: vec![model.evidence.machine(host)],
        seen,
        reached: None,
        broken_after: false,
    }
}

/// The fault sits at the machine of the root, where it is on the way, else at the one at which the way ends.
fn mark(model: &Model<'_>, hops: &mut [Hop], ways: &Ways, diagnosis: &Diagnosis) {
    let roots = diagnosis.root_causes.iter().filter_map(|root| ways::machine(&root.subject));
    let fault = ways.fault().and_then(|(_, end)| end.host());
    let at = roots.chain(fault).find_map(|host| {
        let subject = model.evidence.machine(host);
        hops.iter().position(|hop| hop.subjects.contains(&subject))
    });
    if let Some(at) = at {
        hops[at].broken_after = true;
    }
}
