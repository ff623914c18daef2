//! The packet filter of a node drops what is forwarded to pods, and it is no NetworkPolicy that says so.
//!
//! # What it looks like
//! Connections to the pods time out; a hop in front answers 502 or 504 after its connect timeout, never at once. The pods are
//! ready (their kubelet's checks do not go through the forward hook), and no NetworkPolicy that selects them forbids it.
//!
//! # Confirm by hand
//! `nft list ruleset` (or `iptables-save -c`) on the pod's node and on the caller's: a rule in a chain of the forward hook that
//! meets the pod's address and says drop, its counter above zero and rising with every attempt. `tcpdump -ni any host POD-IP` on
//! the node sees the packets arrive and not go on.
//!
//! # Fix
//! Delete the rule (`nft -a list chain ip filter FORWARD`, `nft delete rule ip filter FORWARD handle N`) and in what sets it.
//!
//! # Who acts
//! Whoever runs the nodes, or network security: hand over node, rule, source, destination and port.
//!
//! # Source
//! nft(8), "Chains" and "Statements"; netfilter.org, packet flow (hook forward); kubernetes.io, Debug Services.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Cause, Finding, Lack, State, ways};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Object, Outcome, Packet, Rule, Target, dropped},
    model::Model,
    policy::{self, Direction},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct NodeFirewallDrop;

impl Cause for NodeFirewallDrop {
    fn id(&self) -> &'static str {
        "node-firewall-drop"
    }

    fn source(&self) -> &'static str {
        include_str!("node_firewall_drop.rs")
    }

    fn owner(&self) -> &'static str {
        "network-security"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut nodes: BTreeMap<&str, Ways<'_>> = BTreeMap::new();
        let read = model.evidence.objects.of_kind("node").any(|node| model.evidence.hosts.has(node.name()));
        for service in model.evidence.objects.of_kind("service") {
            // Where nobody suffers only what holds is worth a word.
            if !read && !model.selected_pods(service).iter().any(|pod| case.in_scope(pod.subject())) {
                continue;
            }
            let callers = ways::callers(model, service.subject());
            let callers: Vec<&Object> = callers.iter().filter_map(|pod| model.object(pod)).collect();
            for (pod, port) in ways::backends(model, service) {
                for caller in &callers {
                    let on: BTreeSet<&str> = [pod, *caller].iter().filter_map(|pod| pod.node()).collect();
                    on.into_iter().for_each(|node| nodes.entry(node).or_default().push((caller, pod, port)));
                }
            }
        }
        nodes.into_iter().map(|(node, ways)| examine(case.model, node, &ways)).collect()
    }
}

/// Connections through one node: from, to, port.
type Ways<'e> = Vec<(&'e Object, &'e Object, u16)>;

fn examine(model: &Model<'_>, node: &str, ways: &Ways<'_>) -> Finding {
    let mut hit: BTreeMap<usize, (Rule, BTreeSet<Subject>)> = BTreeMap::new();
    let rules = match model.evidence.hosts.rules(node) {
        Fact::Seen(rules) => rules,
        Fact::Missed(why) => {
            let lack = Lack::host_fact(node, "nft", "nft list ruleset", why);
            return finding(model, node, ways.iter().map(|(_, pod, _)| pod.subject()), State::Undecided(vec![lack]));
        }
    };
    for (caller, pod, port) in ways {
        let Some(destination) = ways::address(pod) else { continue };
        let packet = Packet::tcp(ways::address(caller), destination, *port);
        let rule = ["prerouting", "forward"].into_iter().find_map(|hook| dropped(&rules, hook, packet));
        // A rule that no packet ever met harms nobody; a chain that other rules lead to may carry out a policy.
        if let Some(rule) =
            rule.filter(|rule| rule.packets != Some(0) && (rule.hook.is_some() || !governed(model, caller, pod)))
        {
            hit.entry(rule.line).or_insert_with(|| (rule.clone(), BTreeSet::new())).1.insert(pod.subject().clone());
        }
    }
    if hit.is_empty() {
        let cited = vec![Citation::new(Hosts::file(node, "nft"), "", "no rule drops these connections")];
        let state = State::excluded("its packet filter drops nothing of this", cited);
        return finding(model, node, ways.iter().map(|(_, pod, _)| pod.subject()), state);
    }
    let pods: BTreeSet<Subject> = hit.values().flat_map(|(_, pods)| pods.clone()).collect();
    let mut evidence: Vec<Citation> = hit.values().map(|(rule, _)| Hosts::cite_rule(node, rule)).take(3).collect();
    evidence.extend(silence(model, &pods));
    let which = pods.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let fix = Fix {
        summary: format!("Delete the rules of node/{node} that drop what goes to {which}"),
        patch: hit.values().map(|(rule, _)| delete(node, rule)).collect(),
    };
    let state = State::holds(evidence, fix);
    finding(model, node, pods.iter(), state)
}

fn finding<'a>(model: &Model<'_>, node: &str, pods: impl Iterator<Item = &'a Subject>, state: State) -> Finding {
    let pods: BTreeSet<&Subject> = pods.collect();
    let effects = pods.into_iter().map(|pod| (pod.clone(), Mode::Silent)).collect();
    Finding { subject: model.evidence.machine(node), effects, state }
}

/// Whether any policy isolates one of the two ends in the direction of the connection.
fn governed(model: &Model<'_>, from: &Object, to: &Object) -> bool {
    model.evidence.objects.of_kind("networkpolicy").any(|policy| {
        policy::isolates(policy, to, Direction::Ingress) || policy::isolates(policy, from, Direction::Egress)
    })
}

/// A probe that met the silence.
fn silence(model: &Model<'_>, pods: &BTreeSet<Subject>) -> Option<Citation> {
    let mut probes = model.evidence.probes.iter().enumerate();
    let met = probes.find(|(_, probe)| {
        probe.outcome == Outcome::Timeout && matches!(probe.target(), Target::Object(pod, _) if pods.contains(&pod))
    });
    met.map(|(index, probe)| probe.cite(index))
}

/// Deletes a rule, found again by its words.
fn delete(node: &str, rule: &Rule) -> Change {
    let (table, chain) = (&rule.table, &rule.chain);
    let command = match rule.text.split_once("-A ") {
        Some((_, words)) if !rule.text.ends_with(" drop") => {
            let table = table.trim_start_matches("ip ");
            ["iptables", "-t", table, "-D"].into_iter().chain(words.split_whitespace()).map(str::to_owned).collect()
        }
        _ => {
            let words = rule.text.split(" counter ").next().unwrap_or_default().trim_end_matches(" drop").trim();
            let script = format!(
                "nft -a list chain {table} {chain} | grep -F -- '{words} ' | grep -w drop | grep -oE 'handle [0-9]+$' | \
                 while read -r handle; do nft delete rule {table} {chain} $handle; done"
            );
            ["sh".to_owned(), "-c".to_owned(), script].to_vec()
        }
    };
    Change::Run { host: node.to_owned(), command }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  on n1
             set pod/a/s-1  status.podIP=10.244.0.77
             pod b/c-1  app=c  ready  calls s.a:80  on n2
             conntrack n1  900 of 262144  drop 0 -> 0
             conntrack n2  900 of 262144  drop 0 -> 0
             probe pod/b/c-1 -> service/a/s:80  timeout in 3s";
    const CLEAR: &str = "file hosts/n2/nft.txt | table ip filter { | chain FORWARD { | type filter hook forward priority filter; policy accept; | } | }";

    fn with(rules: &str, more: &str) -> String {
        format!(
            "{WORLD}\n{CLEAR}\nfile hosts/n1/nft.txt | table ip filter {{ | chain FORWARD {{ | type filter hook forward priority filter; policy accept; | {rules} | }} | }}\n{more}"
        )
    }

    #[test]
    fn holds() {
        check(&with(
            "ip daddr 10.244.0.77 tcp dport 80 counter packets 9 bytes 540 drop",
            "=> node-firewall-drop node/n1",
        ));
        check(&format!(
            "{WORLD}\n{CLEAR}\nfile hosts/n1/nft.txt | *filter | -A FORWARD -d 10.244.0.77/32 -p tcp -m tcp --dport 80 -j DROP | COMMIT
             => node-firewall-drop node/n1"
        ));
    }

    #[test]
    fn twin_a_policy_carried_out_by_the_network_plugin() {
        check(&with(
            "ip daddr 10.244.0.77 counter packets 9 bytes 1 jump NP-1 | } | chain NP-1 { | counter packets 9 bytes 1 drop",
            "policy a/base  selects app=s  denies ingress
             => network-policy-denies-ingress networkpolicy/a/base",
        ));
    }

    #[test]
    fn twins_a_rule_nobody_met_and_one_for_another_port() {
        check(&with("ip daddr 10.244.0.77 tcp dport 80 counter packets 0 bytes 0 drop", "=> unknown"));
        check(&with("ip daddr 10.244.0.77 tcp dport 81 counter packets 9 bytes 1 drop", "=> unknown"));
    }

    #[test]
    fn unknown_without_the_rules() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/n1/nft.txt"));
    }
}
