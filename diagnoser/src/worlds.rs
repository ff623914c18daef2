//! Random worlds in the fixture language: a system of several services with one planted fault and things that look bad and
//! harm nobody. Whatever the names, sizes and order, the planted cause is found, and nothing else is blamed.

use proptest::prelude::*;

use crate::sketch::{check, diagnose, evidence};

/// What is planted into one service of the world.
#[derive(Clone, Copy, Debug)]
enum Planted {
    Nothing,
    TargetPort,
    Selector,
    Loopback,
    Policy,
    Millibytes,
    Inodes,
    Conntrack,
}

const ALL: [Planted; 8] = [
    Planted::Nothing,
    Planted::TargetPort,
    Planted::Selector,
    Planted::Loopback,
    Planted::Policy,
    Planted::Millibytes,
    Planted::Inodes,
    Planted::Conntrack,
];

/// A world as a sketch: `names` are the services, the planted fault sits in the first.
fn sketch(planted: Planted, names: &[String], namespace: &str, replicas: usize, port: u16) -> String {
    let mut lines = Vec::new();
    let wrong = port + 1;
    let victim = &names[0];
    for (index, name) in names.iter().enumerate() {
        let hit = index == 0;
        let node = format!("n{}", index + 1);
        let target = if hit && matches!(planted, Planted::TargetPort) { wrong } else { port };
        let selected = if hit && matches!(planted, Planted::Selector) { format!("{name}x") } else { name.clone() };
        lines.push(format!("service {namespace}/{name}  selector app={selected}  80 -> {target}"));
        let limit = if hit && matches!(planted, Planted::Millibytes) { "64m" } else { "64Mi" };
        lines.push(format!("deployment {namespace}/{name}  app={name}  limit {limit}"));
        for replica in 0..replicas {
            let state = if hit && matches!(planted, Planted::Millibytes) { "creating" } else { "ready" };
            let address = if hit && matches!(planted, Planted::Loopback) { "127.0.0.1" } else { "0.0.0.0" };
            lines.push(format!(
                "pod {namespace}/{name}-{replica}  app={name}  {state}  declares {port}  listens {address}:{port}  \
                 mounts /srv/{name}  owner deployment/{namespace}/{name}  on {node}"
            ));
        }
        let full = if hit && matches!(planted, Planted::Inodes) { 0 } else { 50 };
        lines.push(format!("inodes {node}  /srv {full} of 100 free"));
        lines.push(format!("space {node}  /srv 50 of 100 free"));
        // Every other table is full of entries that give way, which harms nobody.
        let (count, drops) = match (hit, planted) {
            (true, Planted::Conntrack) => (1000, 9),
            _ => (if index % 2 == 1 { 1000 } else { 10 }, 5),
        };
        lines.push(format!("conntrack {node}  {count} of 1000  drop 5 -> {drops}"));
        lines.push(format!("ingress {namespace}/{name}  {name}.example.test -> {name}"));
    }
    lines.push(format!("pod outside/c-0  app=c  ready  calls {victim}.{namespace}:80  on n9"));
    let denied = if matches!(planted, Planted::Policy) { "app=other" } else { "app=c" };
    lines.push(format!("policy {namespace}/base  selects app={victim}  allows ingress from outside {denied}"));
    // A Service that nobody uses and that could not work.
    lines.push(format!("service {namespace}/unused  selector app={}  80 -> {wrong}", names.last().unwrap_or(victim)));
    let answer = match planted {
        Planted::Nothing => "200 in 2ms",
        Planted::TargetPort | Planted::Loopback => "502 in 2ms",
        Planted::Selector | Planted::Millibytes => "503 in 2ms",
        Planted::Policy | Planted::Conntrack => "timeout in 3s",
        Planted::Inodes => "500 in 9ms",
    };
    lines.push(format!("probe http://{victim}.example.test/  {answer}"));
    if matches!(planted, Planted::Millibytes) {
        for replica in 0..replicas {
            lines.push(format!(
                "event pod/{namespace}/{victim}-{replica}  FailedMount  write token: no space left on device"
            ));
        }
    }
    if matches!(planted, Planted::Inodes) {
        lines.push(format!("log {namespace}/{victim}-0  write: No space left on device"));
    }
    let expected = match planted {
        Planted::Nothing => "healthy".to_owned(),
        Planted::TargetPort => format!("service-port-mismatch service/{namespace}/{victim}"),
        Planted::Selector => format!("service-selector-mismatch service/{namespace}/{victim}"),
        Planted::Loopback => format!("listen-loopback-only pod/{namespace}/{victim}-0"),
        Planted::Policy => format!("network-policy-denies-ingress networkpolicy/{namespace}/base"),
        Planted::Millibytes => format!("memory-limit-in-millibytes deployment/{namespace}/{victim}"),
        Planted::Inodes => "inode-exhaustion node/n1".to_owned(),
        Planted::Conntrack => "conntrack-table-full node/n1".to_owned(),
    };
    lines.push(format!("=> {expected}"));
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The planted fault, and only that, is named.
    #[test]
    fn the_planted_fault_is_found(
        planted in prop::sample::select(&ALL[..]),
        names in prop::collection::btree_set("[a-z]{3,8}", 1..5),
        namespace in "[a-z]{3,6}",
        replicas in 1usize..4,
        port in 1024u16..60000,
    ) {
        let names: Vec<String> = names.into_iter().filter(|name| name != "unused").collect();
        prop_assume!(!names.is_empty());
        // One pod a loopback listener: the others of the Service would be subjects as well.
        let replicas = if matches!(planted, Planted::Loopback) { 1 } else { replicas };
        check(&sketch(planted, &names, &namespace, replicas, port));
    }

    /// With any one file taken away the answer is the same or unknown, never another cause: missing is not absent.
    #[test]
    fn less_evidence_is_never_another_answer(
        planted in prop::sample::select(&ALL[1..]),
        removed in any::<prop::sample::Index>(),
    ) {
        let text = sketch(planted, &["first".to_owned(), "second".to_owned()], "space", 1, 8080);
        let mut files = evidence(text.split("=> ").next().unwrap_or_default());
        let whole = diagnose(files.clone());
        let names: Vec<String> = files.keys().cloned().collect();
        let gone = removed.get(&names).clone();
        files.remove(&gone);
        let less = diagnose(files);
        let same = less.roots() == whole.roots();
        prop_assert!(same || less.root_causes.is_empty(), "without {gone}: {:?}", less.roots());
    }
}
