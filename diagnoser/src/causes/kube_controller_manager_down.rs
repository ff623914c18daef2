//! kube-controller-manager does not run, so that nobody makes the pods that workloads ask for.
//!
//! # What it looks like
//! What was scaled, rolled out or lost a pod has fewer pods than it wants, and nothing says why: no event FailedCreate, no condition
//! ReplicaFailure. Pods that are there go on running; endpoints and nodes that are gone are not noticed any more.
//!
//! # Confirm by hand
//! `systemctl status kube-controller-manager` on the control plane, or `kubectl -n kube-system get pods -l
//! component=kube-controller-manager`, shows that it does not run; `kubectl -n kube-system get lease kube-controller-manager -o
//! yaml` shows who held the office and when last.
//!
//! # Fix
//! `systemctl start kube-controller-manager`, or put its static manifest (/etc/kubernetes/manifests) right.
//!
//! # Who acts
//! Whoever runs the cluster.
//!
//! # Source
//! kubernetes.io, Controllers; Leases, "Leader election".

use super::{Case, Cause, Finding, control_plane};
use crate::{evidence::Fact, propagation::Mode, symptoms::Lacking};

/// See the module's comment.
pub struct KubeControllerManagerDown;

impl Cause for KubeControllerManagerDown {
    fn id(&self) -> &'static str {
        "kube-controller-manager-down"
    }

    fn source(&self) -> &'static str {
        include_str!("kube_controller_manager_down.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let Fact::Seen(lacking) = case.model.lacking() else { return vec![] };
        let lacking: Vec<&Lacking<'_>> = lacking.iter().filter(|lacking| lacking.refusal.is_none()).collect();
        let effects = lacking.iter().map(|lacking| (lacking.workload.subject().clone(), Mode::Down)).collect();
        let waits = lacking.first().map(|lacking| lacking.cited.clone());
        control_plane::findings(model, "kube-controller-manager", effects, waits)
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"object Node cp  metadata.labels.node-role~kubernetes~io/control-plane=yes
             object ServiceAccount a/default
             service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms"#;

    #[test]
    fn holds_by_its_unit_or_its_pod() {
        check(&format!(
            "{WORLD}\nunit cp kube-controller-manager inactive (dead)\n=> kube-controller-manager-down node/cp"
        ));
        check(&format!(
            "{WORLD}\npod kube-system/kcm-cp  component=kube-controller-manager  unready  on cp\n=> kube-controller-manager-down node/cp"
        ));
    }

    #[test]
    fn twin_it_runs_or_was_refused() {
        check(&format!("{WORLD}\nunit cp kube-controller-manager active (running)\n=> unknown"));
    }

    #[test]
    fn unknown_where_nobody_looked() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/cp/systemctl-kube-controller-manager.txt"));
    }
}
