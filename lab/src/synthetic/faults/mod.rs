//! What can be planted: one function a fault, which changes the cluster as the real fault would and says in which object it sits.

mod nodes;
mod pods;
mod routes;
mod scheduling;

use diagnoser::Subject;

use super::world::World;

/// A fault that can be planted.
#[derive(Debug)]
pub struct Fault {
    /// The cause that it is, as the diagnoser calls it.
    pub cause: &'static str,
    pub(super) plant: fn(&mut World, usize) -> Planted,
}

/// What was planted.
pub(super) struct Planted {
    /// The object it sits in.
    pub subject: Subject,
    /// How the victim's Service fails for whoever asks it.
    pub fails: Fails,
}

/// How a Service fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fails {
    /// There is no ready pod behind it.
    Empty,
    /// Its pods refuse.
    Refuses,
    /// Packets to it vanish.
    Silent,
    /// It answers 500.
    Errors,
    /// Its Ingress leads nowhere; within the cluster it serves.
    Unrouted,
}

/// Every fault, sorted by cause.
pub static FAULTS: &[&Fault] = &[
    &Fault { cause: "application-crash", plant: pods::application_crash },
    &Fault { cause: "configmap-missing", plant: pods::config_map_missing },
    &Fault { cause: "conntrack-table-full", plant: nodes::conntrack_table_full },
    &Fault { cause: "container-command-invalid", plant: pods::container_command_invalid },
    &Fault { cause: "disk-full", plant: nodes::disk_full },
    &Fault { cause: "image-pull-secret-missing", plant: pods::image_pull_secret_missing },
    &Fault { cause: "image-tag-missing", plant: pods::image_tag_missing },
    &Fault { cause: "ingress-port-mismatch", plant: routes::ingress_port_mismatch },
    &Fault { cause: "ingress-wrong-backend", plant: routes::ingress_wrong_backend },
    &Fault { cause: "inode-exhaustion", plant: nodes::inode_exhaustion },
    &Fault { cause: "insufficient-resources", plant: scheduling::insufficient_resources },
    &Fault { cause: "kubelet-stopped", plant: nodes::kubelet_stopped },
    &Fault { cause: "liveness-probe-misconfigured", plant: pods::liveness_probe_misconfigured },
    &Fault { cause: "memory-limit-exceeded", plant: pods::memory_limit_exceeded },
    &Fault { cause: "network-policy-denies-ingress", plant: routes::network_policy_denies_ingress },
    &Fault { cause: "node-selector-unmatched", plant: scheduling::node_selector_unmatched },
    &Fault { cause: "node-taint-not-tolerated", plant: scheduling::node_taint_not_tolerated },
    &Fault { cause: "readiness-probe-wrong-path", plant: pods::readiness_probe_wrong_path },
    &Fault { cause: "readiness-probe-wrong-port", plant: pods::readiness_probe_wrong_port },
    &Fault { cause: "resource-quota-exceeded", plant: scheduling::resource_quota_exceeded },
    &Fault { cause: "scaled-to-zero", plant: scheduling::scaled_to_zero },
    &Fault { cause: "secret-missing", plant: pods::secret_missing },
    &Fault { cause: "service-account-missing", plant: scheduling::service_account_missing },
    &Fault { cause: "service-named-port-missing", plant: routes::service_named_port_missing },
    &Fault { cause: "service-port-mismatch", plant: routes::service_port_mismatch },
    &Fault { cause: "service-selector-mismatch", plant: routes::service_selector_mismatch },
    &Fault { cause: "storage-class-missing", plant: scheduling::storage_class_missing },
    &Fault { cause: "volume-claim-missing", plant: scheduling::volume_claim_missing },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_are_sorted_and_are_causes_that_the_diagnoser_knows() {
        assert!(FAULTS.is_sorted_by_key(|fault| fault.cause));
        for fault in FAULTS {
            assert!(diagnoser::causes::all().iter().any(|cause| cause.id() == fault.cause), "{}", fault.cause);
        }
    }
}
