//! Who is there and who leads to whom: the diagnoser's graph of a system, with a workload's pods as one, as people draw it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use diagnoser::{
    Evidence, Subject,
    diagnosis::Hop,
    model::{Model, Relation},
};

/// A system as it is drawn.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Workloads, Services, Ingresses and names; or machines and the networks between them.
    pub nodes: Vec<Subject>,
    /// Who leads to whom, by index.
    pub edges: Vec<(usize, usize)>,
    /// The way of the requests that fail, by index, from the client inward.
    pub way: Vec<usize>,
    /// Which hops of the path each node of the way is.
    pub hops: Vec<Vec<usize>>,
    /// Who is there too and has nothing to do with the way.
    pub beside: Vec<Subject>,
}

/// The graph of the evidence, with the path of the diagnosis as its way.
pub fn world(evidence: &Evidence, path: &[Hop]) -> World {
    let model = Model::new(evidence);
    let links = if evidence.objects.is_empty() { machines(&model, path) } else { cluster(&model, path) };
    let mut world = World::default();
    let mut index = BTreeMap::new();
    let mut node = |world: &mut World, subject: &Subject| -> usize {
        *index.entry(subject.clone()).or_insert_with(|| {
            world.nodes.push(subject.clone());
            world.hops.push(Vec::new());
            world.nodes.len() - 1
        })
    };
    for (at, hop) in path.iter().enumerate() {
        let Some(subject) = hop.subjects.first() else { continue };
        let here = node(&mut world, &drawn_as(&model, subject));
        if !world.way.contains(&here) {
            world.way.push(here);
        }
        world.hops[here].push(at);
    }
    let (near, far) = parted(&links, world.way.iter().map(|at| world.nodes[*at].clone()).collect());
    world.beside = far;
    for (from, to) in links.into_iter().filter(|(from, _)| near.is_empty() || near.contains(from)) {
        let pair = (node(&mut world, &from), node(&mut world, &to));
        if !world.edges.contains(&pair) {
            world.edges.push(pair);
        }
    }
    if evidence.objects.is_empty() {
        world.way = by_networks(&world);
    }
    world
}

/// Whatever is linked to these, one way or the other, and what is not.
fn parted(links: &BTreeSet<(Subject, Subject)>, mut near: BTreeSet<Subject>) -> (BTreeSet<Subject>, Vec<Subject>) {
    if near.is_empty() {
        return (near, vec![]);
    }
    // One step further from what is near already, until there is none.
    while let Some((from, to)) = links.iter().find(|(from, to)| near.contains(from) != near.contains(to)) {
        near.extend([from.clone(), to.clone()]);
    }
    let all: BTreeSet<&Subject> = links.iter().flat_map(|(from, to)| [from, to]).collect();
    let far = all.into_iter().filter(|subject| !near.contains(subject)).cloned().collect();
    (near, far)
}

/// What a subject is drawn as: a pod as the workload it belongs to.
pub fn drawn_as(model: &Model<'_>, subject: &Subject) -> Subject {
    if subject.is("pod") { model.workload_of(subject) } else { subject.clone() }
}

/// Everything outside the cluster's own namespaces that leads somewhere or is led to, and how names are resolved.
fn cluster(model: &Model<'_>, path: &[Hop]) -> BTreeSet<(Subject, Subject)> {
    let evidence = model.evidence;
    let own = |subject: &Subject| !subject.namespace().starts_with("kube-");
    let kinds = ["ingress", "pod", "service"].into_iter();
    let objects = kinds.flat_map(|kind| evidence.objects.of_kind(kind)).map(|object| object.subject().clone());
    let begin = objects.filter(own).chain(path.iter().flat_map(|hop| hop.subjects.clone()));
    let follows = |from: &Subject, relation: Relation| match relation {
        Relation::RoutesTo | Relation::ForwardsTo | Relation::ConnectsTo => true,
        Relation::ResolvesBy => from.is("name"),
        _ => false,
    };
    let found = model.closure(begin, |from, edge| follows(from, edge.relation));
    let mut links = BTreeSet::new();
    for from in &found {
        for edge in model.dependencies(from).iter().filter(|edge| follows(from, edge.relation)) {
            let pair = (drawn_as(model, from), drawn_as(model, &edge.to));
            // A Service by which nothing is reached, as the cluster's own API, is not worth a box.
            if pair.0 != pair.1 {
                links.insert(pair);
            }
        }
    }
    links
}

/// Machines and the networks they share, away from where the requests begin.
fn machines(model: &Model<'_>, path: &[Hop]) -> BTreeSet<(Subject, Subject)> {
    let host = |name: &str| Subject::global("host", name);
    let mut on: BTreeMap<Subject, BTreeSet<Subject>> = BTreeMap::new();
    for name in model.machines.hosts() {
        for (_, interface) in model.machines.addresses(name) {
            for net in interface.addresses.iter().filter(|net| net.prefix_len() < net.max_prefix_len()) {
                let network = Subject::global("network", &net.trunc().to_string());
                on.entry(network.clone()).or_default().insert(host(name));
                on.entry(host(name)).or_default().insert(network);
            }
        }
    }
    on.retain(|node, others| !node.is("network") || others.len() > 1);
    let first = path.iter().flat_map(|hop| &hop.subjects).find(|subject| on.contains_key(subject));
    let Some(first) = first.or_else(|| on.keys().find(|node| node.name == "client").or(on.keys().next())) else {
        return BTreeSet::new();
    };
    let mut far = BTreeMap::from([(first.clone(), 0)]);
    let mut open = VecDeque::from([first.clone()]);
    let mut links = BTreeSet::new();
    while let Some(node) = open.pop_front() {
        for next in on.get(&node).into_iter().flatten().filter(|next| on.contains_key(next)) {
            let distance = far[&node] + 1;
            if !far.contains_key(next) {
                far.insert(next.clone(), distance);
                open.push_back(next.clone());
            }
            if far[next] == distance {
                links.insert((node.clone(), next.clone()));
            }
        }
    }
    links
}

/// The way with what lies between its machines, by the shortest way there is.
fn by_networks(world: &World) -> Vec<usize> {
    let mut way: Vec<usize> = Vec::new();
    for &node in &world.way {
        match way.last() {
            Some(&last) => way.extend(between(&world.edges, last, node)),
            None => way.push(node),
        }
    }
    way
}

/// The nodes after `from` on the shortest way to `to`, it included; it alone where there is no way.
fn between(edges: &[(usize, usize)], from: usize, to: usize) -> Vec<usize> {
    let mut before = BTreeMap::from([(from, from)]);
    let mut open = VecDeque::from([from]);
    while let Some(node) = open.pop_front() {
        for &(a, b) in edges {
            let next = if a == node { b } else { a };
            if (a == node || b == node) && !before.contains_key(&next) {
                before.insert(next, node);
                open.push_back(next);
            }
        }
    }
    let mut way = vec![to];
    let mut node = to;
    while let Some(&earlier) = before.get(&node).filter(|earlier| **earlier != from && **earlier != node) {
        way.push(earlier);
        node = earlier;
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_joined_by_the_shortest_way() {
        let edges = [(0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (5, 3)];
        assert_eq!(between(&edges, 0, 3), [1, 2, 3]);
        assert_eq!(between(&edges, 3, 0), [2, 1, 0]);
        assert_eq!(between(&edges, 0, 9), [9]);
    }
}
