//! The kubelet of a node does not run, so that the control plane hears nothing of the node any more.
//!
//! # What it looks like
//! The node's condition Ready is Unknown ("Kubelet stopped posting node status"), some forty seconds after the fact. The
//! machine answers and its containers go on, but no probe is made and no pod is started or stopped there; after a while its
//! pods count as not ready and leave the endpoints. A machine that is gone or cut off looks the same from the API server.
//!
//! # Confirm by hand
//! `kubectl describe node NODE` shows Ready Unknown; on the node `systemctl status kubelet` says inactive or failed, and
//! `journalctl -u kubelet` says why it ended.
//!
//! # Fix
//! `systemctl start kubelet` on the node; find out who stopped it.
//!
//! # Who acts
//! Whoever runs the nodes.
//!
//! # Source
//! kubernetes.io, Nodes, "Node status" and "Heartbeats" (node-monitor-grace-period); kubernetes.io, Troubleshooting Clusters.

use super::{
    Case, Cause, Finding, Proof, State,
    node_services::{self, NotReady, Unit},
};
use crate::model::Model;

/// See the module's comment.
pub struct KubeletStopped;

impl Cause for KubeletStopped {
    fn id(&self) -> &'static str {
        "kubelet-stopped"
    }

    fn source(&self) -> &'static str {
        include_str!("kubelet_stopped.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        node_services::of_each(case, state)
    }
}

fn state(model: &Model<'_>, down: &NotReady<'_>) -> State {
    if down.told {
        return State::excluded("its kubelet reports, so it runs", vec![down.evidence.clone()]);
    }
    let stopped = match node_services::unit(model, down.node, "kubelet") {
        Unit::Runs(cited) => return State::excluded("its kubelet runs", vec![cited]),
        Unit::Unseen(lack) => return State::Undecided(vec![lack]),
        Unit::Stopped(cited) => cited,
        // A kubelet cannot start without its container runtime: then that is the cause.
        Unit::Fails(cited) => match node_services::unit(model, down.node, node_services::runtime(down.node)) {
            Unit::Runs(_) => cited,
            Unit::Stopped(runtime) | Unit::Fails(runtime) => {
                return State::excluded("it has no container runtime to start with", vec![cited, runtime]);
            }
            Unit::Unseen(lack) => return State::Undecided(vec![lack]),
        },
    };
    State::Holds(Box::new(Proof {
        evidence: vec![down.evidence.clone(), stopped],
        fix: node_services::start(down.node, "kubelet"),
        wants: vec![],
        changed: None,
    }))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "object Node n1  status.conditions[0].type=Ready status.conditions[0].status=Unknown
             object Node n2  status.conditions[0].type=Ready status.conditions[0].status=True spec.unschedulable=true
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  unready  on n1
             pod a/s-2  app=s  ready  on n2
             probe service/a/s:80  connected in 1ms";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nfile hosts/n1/systemctl-kubelet.txt | Active: inactive (dead) since Thu; 2min ago
             => kubelet-stopped node/n1"
        ));
    }

    #[test]
    fn holds_before_the_node_is_missed() {
        let ready = WORLD.replace("status=Unknown", "status=True");
        check(&format!(
            "{ready}\nunit n1 kubelet inactive (dead)\nunit n1 containerd active (running)\n=> kubelet-stopped node/n1"
        ));
        check(&format!(
            "{ready}\nunit n1 kubelet active (running)\nunit n1 containerd inactive (dead)\n=> container-runtime-stopped node/n1"
        ));
    }

    #[test]
    fn twin_a_kubelet_that_has_no_runtime_to_start_with() {
        check(&format!(
            "{WORLD}\nfile hosts/n1/systemctl-kubelet.txt | Active: activating (auto-restart) (Result: exit-code)
             file hosts/n1/systemctl-containerd.txt | Active: inactive (dead)
             => container-runtime-stopped node/n1"
        ));
    }

    #[test]
    fn twin_a_machine_that_is_cut_off() {
        check(&format!("{WORLD}\nfile hosts/n1/systemctl-kubelet.txt | Active: active (running)\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_machine() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/n1/systemctl-kubelet.txt"));
    }

    #[test]
    fn a_cordoned_node_is_no_symptom() {
        check(
            "object Node n1  status.conditions[0].type=Ready status.conditions[0].status=True spec.unschedulable=true
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  on n1
             probe service/a/s:80  connected in 1ms
             => healthy",
        );
    }
}
