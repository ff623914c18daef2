//! A node's routes lead the pods of another node nowhere: what passes between the pods of the two is lost.
//!
//! # What it looks like
//! Everything between the pods of two nodes times out, in silence, whatever the Service, path or client; pods on one and the
//! same node reach each other, and other nodes do as well. Packets arrive, answers do not come back.
//!
//! # Confirm by hand
//! On each node `ip route get POD-IP` for a pod of every other node, beside
//! `kubectl get nodes -o custom-columns=NAME:.metadata.name,CIDR:.spec.podCIDR,IP:.status.addresses[0].address`: a route of
//! type blackhole, unreachable or prohibit, one through another node than the pod's, or none but the default.
//!
//! # Fix
//! Delete the wrong route (`ip route del blackhole NETWORK`) or add the missing one, then find who sets it: a VPN client, a
//! network manager, a leftover of a migration.
//!
//! # Who acts
//! Whoever runs the nodes and their network.
//!
//! # Source
//! ip-route(8), "Route types" and longest prefix match; kubernetes.io, Cluster Networking (pods on a node can communicate
//! with all pods on all nodes without NAT).

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Object},
    model::{Model, Relation, is_running},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct NodePodRouteWrong;

const FACT: &str = "ip-route";

impl Cause for NodePodRouteWrong {
    fn id(&self) -> &'static str {
        "node-pod-route-wrong"
    }

    fn source(&self) -> &'static str {
        include_str!("node_pod_route_wrong.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut flows = flows(case);
        let nodes = model.evidence.objects.of_kind("node");
        nodes.filter_map(|node| examine(model, node, &flows.remove(node.name())?)).collect()
    }
}

fn examine(model: &Model<'_>, node: &Object, flows: &Flows<'_>) -> Option<Finding> {
    let finding = |pods: Vec<&Subject>, state| {
        let effects = pods.into_iter().map(|pod| (pod.clone(), Mode::Silent)).collect();
        Some(Finding { subject: node.subject().clone(), effects, state })
    };
    let text = match model.evidence.hosts.text(node.name(), FACT) {
        Fact::Seen(text) if text.lines().any(|line| Route::parse(0, line).is_some()) => text,
        Fact::Seen(_) => return None,
        Fact::Missed(why) => {
            let lack = Lack::host_fact(node.name(), FACT, "ip route", why);
            return finding(flows.keys().collect(), State::Undecided(vec![lack]));
        }
    };
    let routes: Vec<Route> = text.lines().enumerate().filter_map(|(i, line)| Route::parse(i + 1, line)).collect();
    let wrong: Vec<(&Subject, &Object, &Route)> =
        flows.iter().filter_map(|(called, far)| Some((called, *far, wrong_route(model, &routes, far)?))).collect();
    let Some((_, far, _)) = wrong.first() else {
        let because = format!("{} knows the way to the pods of every other node", node.subject());
        let cited = Citation::new(Hosts::file(node.name(), FACT), "", format!("{} routes", routes.len()));
        return finding(flows.keys().collect(), State::excluded(because, vec![cited]));
    };
    let mut used: Vec<&Route> = wrong.iter().map(|(_, _, route)| *route).collect();
    used.sort_by_key(|route| route.line);
    used.dedup_by_key(|route| route.line);
    let mut evidence: Vec<Citation> = used.iter().map(|route| route.cite(node.name())).collect();
    let far_node = model.node_of(far.subject()).unwrap_or_default();
    evidence.push(far.cite("/status/podIP", format!("{} is on {far_node}", far.subject())));
    // Other routes of the same kind into the same node's network lead nowhere as well.
    let network =
        model.object(&Subject::global("node", far_node)).and_then(|node| node.text("/spec/podCIDR")?.parse().ok());
    let also =
        |route: &&Route| route.leads_nowhere() && network.is_some_and(|network: IpNet| network.contains(&route.to));
    let mut remove: Vec<&Route> = routes.iter().filter(also).collect();
    remove.extend(used.iter().copied().filter(|route| !route.is_default()));
    remove.sort_by_key(|route| route.line);
    remove.dedup_by_key(|route| route.line);
    let patch =
        remove.iter().map(|route| Change::Run { host: node.name().to_owned(), command: route.delete() }).collect();
    let summary = format!("Lead the pods of {far_node} to it on {}", node.subject());
    let fix = Fix { summary, patch };
    let pods = wrong.iter().map(|(called, ..)| *called).collect();
    finding(pods, State::holds(evidence, fix))
}

/// Pods that are called across the edge of a node, from it or on it, each with the pod on the other node: what is asked for or
/// answered goes by this node's routes to that one.
type Flows<'e> = BTreeMap<Subject, &'e Object>;

/// The flows of every node that has any.
fn flows<'e>(case: &Case<'_, 'e>) -> BTreeMap<&'e str, Flows<'e>> {
    let model = case.model;
    let read = model.evidence.hosts.names().next().is_some();
    // Where nobody suffers only what holds is worth a word.
    let concerned = |pod: &&Object| in_pod_network(pod) && (read || case.in_scope(pod.subject()));
    let mut flows: BTreeMap<&str, Flows<'e>> = BTreeMap::new();
    for called in model.evidence.objects.of_kind("pod").filter(concerned) {
        for caller in callers(model, called.subject()).filter(|pod| in_pod_network(pod)) {
            let nodes = [(caller.node(), called), (called.node(), caller)];
            for (node, far) in nodes.into_iter().filter(|_| caller.node() != called.node()) {
                if let Some(node) = node {
                    flows.entry(node).or_default().insert(called.subject().clone(), far);
                }
            }
        }
    }
    flows
}

fn in_pod_network(pod: &Object) -> bool {
    is_running(pod) && pod.get("/spec/hostNetwork").is_none_or(|value| value == false)
}

/// The pods that connect to a pod, directly or through a Service, sorted.
fn callers<'e>(model: &Model<'e>, called: &Subject) -> impl Iterator<Item = &'e Object> {
    let by = |subject: &Subject, wanted: Relation| {
        let dependents = model.dependents(subject).iter().filter(move |(_, relation)| *relation == wanted);
        dependents.map(|(dependent, _)| dependent)
    };
    let services = by(called, Relation::ForwardsTo);
    let through = services.flat_map(|service| by(service, Relation::ConnectsTo));
    let pods: BTreeSet<&Subject> = by(called, Relation::ConnectsTo).chain(through).filter(|by| by.is("pod")).collect();
    pods.into_iter().filter_map(|pod| model.object(pod)).collect::<Vec<_>>().into_iter()
}

/// The route by which this node would reach a pod elsewhere, where it does not lead to the pod's node.
fn wrong_route<'r>(model: &Model<'_>, routes: &'r [Route], pod: &Object) -> Option<&'r Route> {
    let address: std::net::IpAddr = pod.text("/status/podIP")?.parse().ok()?;
    let best = routes.iter().filter(|route| route.to.contains(&address)).max_by_key(|route| route.to.prefix_len())?;
    if best.leads_nowhere() {
        return Some(best);
    }
    // Through another node than the pod's. Gateways that are no node's address belong to overlays and routers.
    let gateway = model.resolve(best.via.as_deref()?, None).filter(|subject| subject.is("node"))?;
    (!best.is_default() && Some(gateway.name.as_str()) != pod.node()).then_some(best)
}

/// A line of `ip route`.
#[derive(Debug)]
struct Route {
    line: usize,
    text: String,
    /// `unicast` where nothing is said.
    kind: String,
    to: IpNet,
    via: Option<String>,
}

impl Route {
    fn parse(line: usize, text: &str) -> Option<Self> {
        const KINDS: [&str; 4] = ["blackhole", "unreachable", "prohibit", "throw"];
        let mut words = text.split_whitespace().peekable();
        let kind = words.next_if(|word| KINDS.contains(word)).unwrap_or("unicast").to_owned();
        let to = match words.next()? {
            "default" => "0.0.0.0/0".parse().ok()?,
            network if network.contains('/') => network.parse().ok()?,
            address => IpNet::from(address.parse::<std::net::IpAddr>().ok()?),
        };
        let via = words.skip_while(|word| *word != "via").nth(1).map(str::to_owned);
        Some(Self { line, text: text.trim().to_owned(), kind, to, via })
    }

    /// Whether packets by it are lost on purpose.
    fn leads_nowhere(&self) -> bool {
        matches!(self.kind.as_str(), "blackhole" | "unreachable" | "prohibit")
    }

    fn is_default(&self) -> bool {
        self.to.prefix_len() == 0
    }

    fn cite(&self, host: &str) -> Citation {
        Citation::line(&Hosts::file(host, FACT), self.line, &self.text)
    }

    fn delete(&self) -> Vec<String> {
        let kind = self.leads_nowhere().then(|| self.kind.clone());
        let via = self.via.iter().flat_map(|via| ["via".to_owned(), via.clone()]);
        let words = ["ip", "route", "del"].map(str::to_owned).into_iter();
        words.chain(kind).chain([self.to.to_string()]).chain(via).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `c-1` on n1 calls `s-1` on n2.
    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  on n2
             pod a/c-1  app=c  ready  calls s:80  on n1
             set pod/a/s-1  status.podIP=10.244.2.5
             set pod/a/c-1  status.podIP=10.244.1.5
             conntrack n1  9 of 1000  drop 0 -> 0
             conntrack n2  9 of 1000  drop 0 -> 0
             probe pod/a/c-1 -> service/a/s:80  timeout in 2s";
    const GOOD: &str =
        "file hosts/n1/ip-route.txt | default via 172.18.0.1 dev eth0 | 10.244.2.0/24 via 172.18.0.3 dev eth0";
    const BACK: &str =
        "file hosts/n2/ip-route.txt | default via 172.18.0.1 dev eth0 | 10.244.1.0/24 via 172.18.0.2 dev eth0";

    #[test]
    fn holds_for_the_way_back() {
        check(&format!("{WORLD}\n{GOOD}\n{BACK} | blackhole 10.244.1.0/25\n=> node-pod-route-wrong node/n2"));
    }

    #[test]
    fn holds_for_the_way_there() {
        check(&format!("{WORLD}\n{GOOD} | unreachable 10.244.2.5\n{BACK}\n=> node-pod-route-wrong node/n1"));
    }

    #[test]
    fn twin_a_policy() {
        check(&format!(
            "{WORLD}\n{GOOD}\n{BACK}
             policy a/lock  selects app=s  denies ingress
             => network-policy-denies-ingress networkpolicy/a/lock"
        ));
    }

    #[test]
    fn twin_a_route_that_leads_others_nowhere() {
        check(&format!("{WORLD}\n{GOOD}\n{BACK} | blackhole 10.244.9.0/24\n=> unknown"));
    }

    #[test]
    fn twin_refused_is_not_silence() {
        let refused = WORLD.replace("timeout in 2s", "refused in 1ms");
        check(&format!("{refused}\n{GOOD}\n{BACK} | blackhole 10.244.1.0/25\n=> unknown"));
    }

    #[test]
    fn unknown_without_routes() {
        check(&format!("{WORLD}\n{GOOD}\n=> unknown lacks hosts/n2/ip-route.txt"));
    }
}
