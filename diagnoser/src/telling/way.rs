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
    // That a rule counts what it throws away says that it got there.
    if let Some((Direction::There, End::Dropped { rule, .. } | End::Rejected { rule, .. })) = fault
        && rule.packets.is_some_and(|packets| packets > 0)
    {
        hops.iter_mut().for_each(|hop| hop.reached = Some(true));
    }
    // The server is told of although nothing comes there.
    if let Some(server) = connection.host(model).filter(|server| !ways.there.hosts().any(|host| host == *server)) {
        let lost = fault.is_some_and(|(direction, end)| direction == Direction::There && end.host().is_some());
        let reached = lost.then_some(false);
        hops.push(Hop { reached, ..told(model, connection, ways, &ways.there, server) });
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
    if connection.host(model) == Some(host)
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

#[cfg(test)]
mod tests {
    use crate::sketch::{diagnose, evidence};

    const WORLD: &str = "machine client 10.80.1.10/24 via 10.80.1.1
        machine router 10.80.1.1/24 10.80.2.1/24
        machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80
        probe host/client -> tcp://app.example.test:80  timeout in 3s  at 10.80.2.10:80";

    fn told(more: &str) -> Vec<String> {
        let path = diagnose(evidence(&format!("{WORLD}\n{more}"))).path;
        path.iter()
            .map(|hop| format!("{} {:?} {} {}", hop.name, hop.reached, hop.broken_after, hop.seen.join("; ")))
            .collect()
    }

    #[test]
    fn machine_by_machine_up_to_where_it_ends() {
        let expected = [
            "client Some(true) false timeout; default via 10.80.1.1 by eth0",
            "router Some(true) true 10.80.2.0/24 on the link by eth1; dropped at forward",
            "app Some(false) false listens on 80: 0.0.0.0",
        ];
        assert_eq!(told("filter router forward tcp dport 80 counter packets 3 bytes 180 drop"), expected);
    }

    #[test]
    fn and_over_whom_the_answer_gets_lost() {
        let back = "machine second 10.80.1.2/24 10.80.2.2/24
            route app - default via 10.80.2.1 dev eth0
            route app default via 10.80.2.2 dev eth0
            filter second forward tcp sport 80 drop";
        assert_eq!(
            told(back)[3],
            "second (back) None true 10.80.1.0/24 on the link by eth0; dropped at forward (the answer)"
        );
    }
}
