//! The container runtime of a node does not run, so that its kubelet can start and watch no containers.
//!
//! # What it looks like
//! The node's condition Ready is False, "container runtime is down": the kubelet is alive and says so itself. Containers that
//! run may go on, new pods stay in ContainerCreating, `kubectl exec` and `logs` fail.
//!
//! # Confirm by hand
//! `kubectl describe node NODE` shows Ready False with that message; on the node `systemctl status containerd` (or crio,
//! docker) says inactive or failed, and `crictl ps` cannot connect.
//!
//! # Fix
//! `systemctl start containerd` on the node; find out why it ended.
//!
//! # Who acts
//! Whoever runs the nodes.
//!
//! # Source
//! kubernetes/pkg/kubelet/runtime.go ("container runtime is down"); kubernetes.io, Container Runtimes.

use super::{
    Case, Cause, Finding, Proof, State,
    node_services::{self, NotReady, Unit},
};
use crate::model::Model;

/// See the module's comment.
pub struct ContainerRuntimeStopped;

impl Cause for ContainerRuntimeStopped {
    fn id(&self) -> &'static str {
        "container-runtime-stopped"
    }

    fn source(&self) -> &'static str {
        include_str!("container_runtime_stopped.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        node_services::of_each(case, state)
    }
}

fn state(model: &Model<'_>, down: &NotReady<'_>) -> State {
    let name = node_services::runtime(down.node);
    let stopped = match node_services::unit(model, down.node, name) {
        Unit::Runs(cited) => return State::excluded(format!("its {name} runs"), vec![cited]),
        Unit::Stopped(cited) | Unit::Fails(cited) => cited,
        Unit::Unseen(lack) => {
            // Where nobody hears of the node, its kubelet is looked at first.
            let kubelet = node_services::unit(model, down.node, "kubelet");
            return match kubelet {
                Unit::Stopped(cited) if !down.told => State::excluded("its kubelet was stopped", vec![cited]),
                _ => State::Undecided(vec![lack]),
            };
        }
    };
    let mut evidence = vec![down.evidence.clone(), stopped];
    if !down.told {
        match node_services::unit(model, down.node, "kubelet") {
            // Silence is the kubelet's; without a runtime it would still report.
            Unit::Stopped(cited) => return State::excluded("its kubelet was stopped", vec![cited]),
            Unit::Runs(cited) => return State::excluded("its kubelet runs and would say so", vec![cited]),
            Unit::Fails(cited) => evidence.push(cited),
            Unit::Unseen(lack) => return State::Undecided(vec![lack]),
        }
    }
    State::Holds(Box::new(Proof { evidence, fix: node_services::start(down.node, name), wants: vec![], changed: None }))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "object Node n1  status.conditions[0].type=Ready status.conditions[0].status=False status.conditions[0].message=\"container runtime is down\"
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  on n2
             probe service/a/s:80  connected in 1ms";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nfile hosts/n1/systemctl-containerd.txt | Active: inactive (dead) since Thu; 1min ago
             => container-runtime-stopped node/n1"
        ));
    }

    #[test]
    fn holds_for_another_runtime() {
        check(&format!(
            "{WORLD}\nset node/n1 status.nodeInfo.containerRuntimeVersion=cri-o://1.34.1
             file hosts/n1/systemctl-crio.txt | Active: failed (Result: signal)
             => container-runtime-stopped node/n1"
        ));
    }

    #[test]
    fn twin_a_stopped_kubelet_says_nothing_at_all() {
        check(
            "object Node n1  status.conditions[0].type=Ready status.conditions[0].status=Unknown
             file hosts/n1/systemctl-containerd.txt | Active: active (running)
             file hosts/n1/systemctl-kubelet.txt | Active: inactive (dead)
             => kubelet-stopped node/n1",
        );
    }

    #[test]
    fn twin_a_runtime_that_runs_without_a_network() {
        check(&format!("{WORLD}\nfile hosts/n1/systemctl-containerd.txt | Active: active (running)\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_machine() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/n1/systemctl-containerd.txt"));
    }
}
