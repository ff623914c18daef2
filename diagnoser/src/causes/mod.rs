//! One cause, one file. The list is sorted by id; tests check order, completeness and that every cause has its reference.

mod admission_webhook_denied;
mod admission_webhook_unavailable;
mod application_crash;
mod application_error;
mod application_rejects_connection;
mod asked_ports;
mod asymmetric_routing;
mod autoscaler_without_metrics;
mod body_limits;
mod candidates;
mod certificate_expired;
mod claims;
mod cluster_dns_down;
mod cluster_dns_misconfigured;
mod configmap_missing;
mod configuration_rejected;
mod connection_limit;
mod conntrack_table_full;
mod container_command_invalid;
mod container_port_conflict;
mod container_runtime_stopped;
mod containers;
mod control_plane;
mod corefile;
mod cpu_throttled;
mod cron_job_interference;
mod cut_off;
mod database_clients;
mod database_connections_exhausted;
mod database_credentials_wrong;
mod database_port_wrong;
mod database_read_only;
mod databases;
mod disk_full;
mod disruption_budget_blocks;
mod dns_record_missing;
mod duplicate_ingress;
mod edge_rule_blocks_request;
mod elasticsearch;
mod elasticsearch_flood_stage;
mod elasticsearch_heap_exhausted;
mod elasticsearch_shards_unassigned;
mod endpoint_address_stale;
mod ephemeral_port_exhaustion;
mod ephemeral_storage_exceeded;
mod exchange;
mod external_name_unresolved;
mod filters;
mod firewall_drop;
mod firewall_reject;
mod flows;
mod gateway_route_wrong_backend;
mod health_check_misconfigured;
mod heap_limit_exceeded;
mod host_cpu_saturated;
mod host_out_of_memory;
mod host_port_conflict;
mod image_architecture_mismatch;
mod image_name_invalid;
mod image_pull_policy_never;
mod image_pull_rate_limited;
mod image_pull_secret_missing;
mod image_registry_unreachable;
mod image_registry_untrusted;
mod image_tag_missing;
mod ingress_class_missing;
mod ingress_host_mismatch;
mod ingress_path_mismatch;
mod ingress_port_mismatch;
mod ingress_route_missing;
mod ingress_wrong_backend;
mod inode_exhaustion;
mod insufficient_resources;
mod kafka;
mod kafka_advertised_listeners;
mod kafka_min_insync_replicas;
mod kube_controller_manager_down;
mod kube_proxy_down;
mod kube_scheduler_down;
mod kubelet_probe_manners;
mod kubelet_probes;
mod kubelet_stopped;
mod limit_range_violated;
mod link_congestion;
mod listen_loopback_only;
mod listen_settings;
mod listen_wrong_port;
mod listening;
mod liveness_probe_misconfigured;
mod log_ins;
mod lookups;
mod lookups_of_hosts;
mod malformed_response;
mod memory_limit_exceeded;
mod memory_limit_in_millibytes;
mod mesh;
mod mesh_mtls_mismatch;
mod mesh_passthrough;
mod mesh_route;
mod mesh_subset_missing;
mod mesh_virtual_service_host_missing;
mod mongodb_authentication;
mod mongodb_replica_set_not_initiated;
mod mtu_black_hole;
mod name_resolves_to_wrong_address;
mod neighbours;
mod network_policy_blocks_dns;
mod network_policy_denies_egress;
mod network_policy_denies_ingress;
mod network_policy_wrong_port;
mod nginx;
mod node_cpu_saturated;
mod node_firewall_drop;
mod node_network_delay;
mod node_packet_loss;
mod node_pod_route_wrong;
mod node_selector_unmatched;
mod node_services;
mod node_taint_not_tolerated;
mod node_under_pressure;
mod obstacles;
mod own_config;
mod places;
mod pod_affinity_unsatisfiable;
mod pod_anti_affinity_unsatisfiable;
mod pod_dns_policy;
mod pod_network_delay;
mod pod_packet_loss;
mod pod_security_violated;
mod policies;
mod ports;
mod postgres;
mod postgres_access_rule;
mod postgres_connection_limit;
mod postgres_hba;
mod postgres_lock_wait;
mod postgres_wrong_password;
mod preempted_by_priority;
mod priority_class_missing;
mod probe_command_invalid;
mod process_not_listening;
mod pulls;
mod quota_requires_resources;
mod quotas;
mod rate_limited;
mod rbac_forbidden;
mod readiness_probe_wrong_path;
mod readiness_probe_wrong_port;
mod readiness_probe_wrong_protocol;
mod readiness_probe_wrong_timing;
mod reference;
mod refusals;
mod replica_failing;
mod replica_slow;
mod replicas;
mod request_body_limit;
mod resolver_wrong_server;
mod resource_quota_exceeded;
mod response_header_too_large;
mod rollout;
mod root_filesystem_read_only;
mod route_fault;
mod route_missing;
mod run_as_non_root_violated;
mod runtime_class_missing;
mod scaled_to_zero;
mod scheduler_name_unknown;
mod scheduling;
mod secret_missing;
mod served;
mod server_idle_timeout;
mod service_account_missing;
mod service_name_wrong;
mod service_named_port_missing;
mod service_port_mismatch;
mod service_port_missing;
mod service_protocol_mismatch;
mod service_selector_mismatch;
mod settings;
mod slow_database_query;
mod slow_upstream;
mod snat_port_exhaustion;
mod space;
mod space_on_machines;
mod ssh_key_not_authorized;
mod ssh_role_missing;
mod ssh_wrong_bastion;
mod ssh_wrong_user;
mod storage_class_missing;
mod stuck;
mod together;
mod topology_spread_unsatisfiable;
mod upstream_port_wrong;
mod volume_attached_elsewhere;
mod volume_claim_missing;
mod volume_claim_unmatched;
mod volume_mount_failed;
mod volume_node_affinity_conflict;
mod volume_permission_denied;
mod ways;
pub use reference::{Reference, reference, references};
pub(crate) use together::together;

use std::cell::OnceCell;

use crate::routing;
use crate::{
    connections::Connection,
    diagnosis::Fix,
    evidence::Citation,
    lookup::Lookup,
    model::Model,
    narrowing::Narrowed,
    propagation::Mode,
    request::Request,
    subject::Subject,
    symptoms::{Scope, Symptom},
};

/// Every cause the diagnoser knows, sorted by id.
pub fn all() -> &'static [&'static dyn Cause] {
    &[
        &admission_webhook_denied::AdmissionWebhookDenied,
        &admission_webhook_unavailable::AdmissionWebhookUnavailable,
        &application_crash::ApplicationCrash,
        &application_error::ApplicationError,
        &application_rejects_connection::ApplicationRejectsConnection,
        &asymmetric_routing::AsymmetricRouting,
        &autoscaler_without_metrics::AutoscalerWithoutMetrics,
        &certificate_expired::CertificateExpired,
        &cluster_dns_down::ClusterDnsDown,
        &cluster_dns_misconfigured::ClusterDnsMisconfigured,
        &configmap_missing::ConfigmapMissing,
        &configuration_rejected::ConfigurationRejected,
        &connection_limit::ConnectionLimit,
        &conntrack_table_full::ConntrackTableFull,
        &container_command_invalid::ContainerCommandInvalid,
        &container_port_conflict::ContainerPortConflict,
        &container_runtime_stopped::ContainerRuntimeStopped,
        &cpu_throttled::CpuThrottled,
        &cron_job_interference::CronJobInterference,
        &database_connections_exhausted::DatabaseConnectionsExhausted,
        &database_credentials_wrong::DatabaseCredentialsWrong,
        &database_port_wrong::DatabasePortWrong,
        &database_read_only::DatabaseReadOnly,
        &disk_full::DiskFull,
        &disruption_budget_blocks::DisruptionBudgetBlocks,
        &dns_record_missing::DnsRecordMissing,
        &duplicate_ingress::DuplicateIngress,
        &edge_rule_blocks_request::EdgeRuleBlocksRequest,
        &elasticsearch_flood_stage::ElasticsearchFloodStage,
        &elasticsearch_heap_exhausted::ElasticsearchHeapExhausted,
        &elasticsearch_shards_unassigned::ElasticsearchShardsUnassigned,
        &endpoint_address_stale::EndpointAddressStale,
        &ephemeral_port_exhaustion::EphemeralPortExhaustion,
        &ephemeral_storage_exceeded::EphemeralStorageExceeded,
        &external_name_unresolved::ExternalNameUnresolved,
        &firewall_drop::FirewallDrop,
        &firewall_reject::FirewallReject,
        &gateway_route_wrong_backend::GatewayRouteWrongBackend,
        &health_check_misconfigured::HealthCheckMisconfigured,
        &heap_limit_exceeded::HeapLimitExceeded,
        &host_cpu_saturated::HostCpuSaturated,
        &host_out_of_memory::HostOutOfMemory,
        &host_port_conflict::HostPortConflict,
        &image_architecture_mismatch::ImageArchitectureMismatch,
        &image_name_invalid::ImageNameInvalid,
        &image_pull_policy_never::ImagePullPolicyNever,
        &image_pull_rate_limited::ImagePullRateLimited,
        &image_pull_secret_missing::ImagePullSecretMissing,
        &image_registry_unreachable::ImageRegistryUnreachable,
        &image_registry_untrusted::ImageRegistryUntrusted,
        &image_tag_missing::ImageTagMissing,
        &ingress_class_missing::IngressClassMissing,
        &ingress_host_mismatch::IngressHostMismatch,
        &ingress_path_mismatch::IngressPathMismatch,
        &ingress_port_mismatch::IngressPortMismatch,
        &ingress_route_missing::IngressRouteMissing,
        &ingress_wrong_backend::IngressWrongBackend,
        &inode_exhaustion::InodeExhaustion,
        &insufficient_resources::InsufficientResources,
        &kafka_advertised_listeners::KafkaAdvertisedListeners,
        &kafka_min_insync_replicas::KafkaMinInsyncReplicas,
        &kube_controller_manager_down::KubeControllerManagerDown,
        &kube_proxy_down::KubeProxyDown,
        &kube_scheduler_down::KubeSchedulerDown,
        &kubelet_stopped::KubeletStopped,
        &limit_range_violated::LimitRangeViolated,
        &link_congestion::LinkCongestion,
        &listen_loopback_only::ListenLoopbackOnly,
        &listen_wrong_port::ListenWrongPort,
        &liveness_probe_misconfigured::LivenessProbeMisconfigured,
        &malformed_response::MalformedResponse,
        &memory_limit_exceeded::MemoryLimitExceeded,
        &memory_limit_in_millibytes::MemoryLimitInMillibytes,
        &mesh_mtls_mismatch::MeshMtlsMismatch,
        &mesh_passthrough::MeshPassthrough,
        &mesh_subset_missing::MeshSubsetMissing,
        &mesh_virtual_service_host_missing::MeshVirtualServiceHostMissing,
        &mongodb_authentication::MongodbAuthentication,
        &mongodb_replica_set_not_initiated::MongodbReplicaSetNotInitiated,
        &mtu_black_hole::MtuBlackHole,
        &name_resolves_to_wrong_address::NameResolvesToWrongAddress,
        &network_policy_blocks_dns::NetworkPolicyBlocksDns,
        &network_policy_denies_egress::NetworkPolicyDeniesEgress,
        &network_policy_denies_ingress::NetworkPolicyDeniesIngress,
        &network_policy_wrong_port::NetworkPolicyWrongPort,
        &node_cpu_saturated::NodeCpuSaturated,
        &node_firewall_drop::NodeFirewallDrop,
        &node_network_delay::NodeNetworkDelay,
        &node_packet_loss::NodePacketLoss,
        &node_pod_route_wrong::NodePodRouteWrong,
        &node_selector_unmatched::NodeSelectorUnmatched,
        &node_taint_not_tolerated::NodeTaintNotTolerated,
        &node_under_pressure::NodeUnderPressure,
        &pod_affinity_unsatisfiable::PodAffinityUnsatisfiable,
        &pod_anti_affinity_unsatisfiable::PodAntiAffinityUnsatisfiable,
        &pod_dns_policy::PodDnsPolicy,
        &pod_network_delay::PodNetworkDelay,
        &pod_packet_loss::PodPacketLoss,
        &pod_security_violated::PodSecurityViolated,
        &postgres_access_rule::PostgresAccessRule,
        &postgres_connection_limit::PostgresConnectionLimit,
        &postgres_lock_wait::PostgresLockWait,
        &postgres_wrong_password::PostgresWrongPassword,
        &preempted_by_priority::PreemptedByPriority,
        &priority_class_missing::PriorityClassMissing,
        &probe_command_invalid::ProbeCommandInvalid,
        &process_not_listening::ProcessNotListening,
        &quota_requires_resources::QuotaRequiresResources,
        &rate_limited::RateLimited,
        &rbac_forbidden::RbacForbidden,
        &readiness_probe_wrong_path::ReadinessProbeWrongPath,
        &readiness_probe_wrong_port::ReadinessProbeWrongPort,
        &readiness_probe_wrong_protocol::ReadinessProbeWrongProtocol,
        &readiness_probe_wrong_timing::ReadinessProbeWrongTiming,
        &replica_failing::ReplicaFailing,
        &replica_slow::ReplicaSlow,
        &request_body_limit::RequestBodyLimit,
        &resolver_wrong_server::ResolverWrongServer,
        &resource_quota_exceeded::ResourceQuotaExceeded,
        &response_header_too_large::ResponseHeaderTooLarge,
        &root_filesystem_read_only::RootFilesystemReadOnly,
        &route_missing::RouteMissing,
        &run_as_non_root_violated::RunAsNonRootViolated,
        &runtime_class_missing::RuntimeClassMissing,
        &scaled_to_zero::ScaledToZero,
        &scheduler_name_unknown::SchedulerNameUnknown,
        &secret_missing::SecretMissing,
        &server_idle_timeout::ServerIdleTimeout,
        &service_account_missing::ServiceAccountMissing,
        &service_name_wrong::ServiceNameWrong,
        &service_named_port_missing::ServiceNamedPortMissing,
        &service_port_mismatch::ServicePortMismatch,
        &service_port_missing::ServicePortMissing,
        &service_protocol_mismatch::ServiceProtocolMismatch,
        &service_selector_mismatch::ServiceSelectorMismatch,
        &slow_database_query::SlowDatabaseQuery,
        &slow_upstream::SlowUpstream,
        &snat_port_exhaustion::SnatPortExhaustion,
        &ssh_key_not_authorized::SshKeyNotAuthorized,
        &ssh_role_missing::SshRoleMissing,
        &ssh_wrong_bastion::SshWrongBastion,
        &ssh_wrong_user::SshWrongUser,
        &storage_class_missing::StorageClassMissing,
        &topology_spread_unsatisfiable::TopologySpreadUnsatisfiable,
        &upstream_port_wrong::UpstreamPortWrong,
        &volume_attached_elsewhere::VolumeAttachedElsewhere,
        &volume_claim_missing::VolumeClaimMissing,
        &volume_claim_unmatched::VolumeClaimUnmatched,
        &volume_mount_failed::VolumeMountFailed,
        &volume_node_affinity_conflict::VolumeNodeAffinityConflict,
        &volume_permission_denied::VolumePermissionDenied,
    ]
}

/// A kind of root cause: the mechanism by which a subject produces failures.
pub trait Cause: Sync {
    /// Its id in the field's standard terms, kebab-case.
    fn id(&self) -> &'static str;

    /// The source file; its leading doc comment is the reference.
    fn source(&self) -> &'static str;

    /// Who acts: `self` (the reader of the report), or a specialist to hand over to.
    fn owner(&self) -> &'static str {
        "self"
    }

    /// Looks at every subject that could hold this cause.
    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding>;
}

/// What a cause may look at: the graph and what is wrong.
pub struct Case<'m, 'e> {
    /// The graph of the evidence.
    pub model: &'m Model<'e>,
    /// Everything that is wrong.
    pub symptoms: &'m [Symptom],
    /// Of each symptom, which requests fail so and which do not; `None` for those not seen in requests.
    pub narrowed: &'m [Option<Narrowed>],
    scope: OnceCell<Lookup<Subject, ()>>,
    placements: OnceCell<scheduling::Placements<'e>>,
    judgement: OnceCell<policies::Judgement<'m, 'e>>,
    asked_ports: OnceCell<Vec<asked_ports::Asked<'e>>>,
}

impl<'m, 'e> Case<'m, 'e> {
    /// A case to be looked at.
    pub fn new(model: &'m Model<'e>, symptoms: &'m [Symptom], narrowed: &'m [Option<Narrowed>]) -> Self {
        Self {
            model,
            symptoms,
            narrowed,
            scope: OnceCell::new(),
            placements: OnceCell::new(),
            judgement: OnceCell::new(),
            asked_ports: OnceCell::new(),
        }
    }

    /// The failing connections of machines that somebody suffers from, and not only a measurement.
    pub fn suffering(&self) -> impl Iterator<Item = &'m Connection> {
        let model = self.model;
        let symptoms = self.symptoms;
        let suffers = move |connection: &&Connection| {
            let subject = connection.subject();
            connection.fails() && symptoms.iter().any(|symptom| symptom.connection.as_ref() == Some(&subject))
        };
        model.connections().iter().filter(suffers)
    }

    /// Whether the fault behind any symptom can sit in this subject.
    pub fn in_scope(&self, subject: &Subject) -> bool {
        self.scope.get_or_init(|| self.scope()).get(subject).is_some()
    }
}

impl<'m, 'e> Case<'m, 'e> {
    /// Where the search for a node ends, of the pods that wait for one.
    fn placements(&self) -> &scheduling::Placements<'e> {
        self.placements.get_or_init(|| scheduling::Placements::new(self.model))
    }

    /// What the NetworkPolicies do to the connections in use.
    fn judgement(&self) -> &policies::Judgement<'m, 'e> {
        self.judgement.get_or_init(|| policies::Judgement::of(self.model))
    }

    /// The ports on which workloads are told to reach Services.
    fn asked_ports(&self) -> &[asked_ports::Asked<'e>] {
        self.asked_ports.get_or_init(|| asked_ports::all(self.model))
    }

    /// The scopes of all symptoms as one.
    fn scope(&self) -> Lookup<Subject, ()> {
        let suffering = self.symptoms.iter().filter(|symptom| matches!(symptom.scope, Scope::Everything));
        let mut all = self.model.closure(suffering.map(|symptom| symptom.subject.clone()), |_, _| true);
        for symptom in self.symptoms {
            if let Scope::Only(subjects) = &symptom.scope {
                all.extend(subjects.iter().cloned());
            }
        }
        all.into_iter().map(|subject| (subject, ())).collect()
    }
}

/// What a cause says of one subject.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Where it would sit.
    pub subject: Subject,
    /// What it would produce there, whether it holds or not.
    pub effects: Vec<(Subject, Mode)>,
    /// Whether it holds.
    pub state: State,
}

/// Whether a cause holds in a subject.
#[derive(Clone, Debug)]
pub enum State {
    /// Proven.
    Holds(Box<Proof>),
    /// Ruled out, and by what.
    Excluded {
        /// In words.
        because: String,
        /// The reading.
        evidence: Vec<Citation>,
    },
    /// Not decided, and what it lacks.
    Undecided(Vec<Lack>),
}

impl State {
    /// Proven by readings, and what restores health.
    pub fn holds(evidence: Vec<Citation>, fix: Fix) -> Self {
        Self::Holds(Box::new(Proof { evidence, fix, wants: vec![], changed: None }))
    }

    /// Ruled out by a reading.
    pub fn excluded(because: impl Into<String>, evidence: Vec<Citation>) -> Self {
        Self::Excluded { because: because.into(), evidence }
    }

    /// The more it says the greater: proven, undecided, ruled out.
    fn strength(&self) -> u8 {
        match self {
            Self::Holds(_) => 2,
            Self::Undecided(_) => 1,
            Self::Excluded { .. } => 0,
        }
    }
}

/// Why a cause holds.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The readings, link by link.
    pub evidence: Vec<Citation>,
    /// What restores health.
    pub fix: Fix,
    /// Readings that would make it stronger; asked for once, not needed.
    pub wants: Vec<Lack>,
    /// When the subject was last changed, where known.
    pub changed: Option<jiff::Timestamp>,
}

/// A reading that a cause lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
    /// The file or list it would be in.
    pub what: String,
    /// Why it is not there.
    pub why: String,
    /// An ordinary command that takes it.
    pub how: String,
    /// The same as a request, where it can be asked for.
    pub request: Option<Request>,
}

impl Lack {
    /// All objects of a resource.
    pub fn objects(resource: &str, namespace: Option<&str>, why: String) -> Self {
        let scope = namespace.map_or_else(|| "-A".to_owned(), |namespace| format!("-n {namespace}"));
        let how = format!("kubectl get {resource} {scope} -o json");
        Self {
            what: namespace
                .map_or_else(|| resource.to_owned(), |namespace| format!("{resource} of namespace {namespace}")),
            why,
            request: Some(Request {
                file: "objects.json".to_owned(),
                how: how.clone(),
                reading: crate::request::Reading::Objects {
                    resource: resource.to_owned(),
                    namespace: namespace.map(str::to_owned),
                },
            }),
            how,
        }
    }

    /// A pod's log; of one container where it is known which.
    pub fn log(pod: &Subject, container: Option<&str>, why: &str) -> Self {
        let of = container.map(|container| format!(" -c {container}")).unwrap_or_default();
        Self {
            what: format!("logs/{}_{}_{}.txt", pod.namespace(), pod.name, container.unwrap_or("*")),
            why: why.to_owned(),
            how: format!("kubectl -n {} logs {}{of}", pod.namespace(), pod.name),
            request: None,
        }
    }

    /// A fact of a pod's own network, taken by `command` there: `hosts/<node>/<fact>-<namespace>_<pod>.txt`.
    pub fn pod_fact(pod: &Subject, node: &str, fact: &str, command: &str, why: String) -> Self {
        let file = crate::evidence::Hosts::file(node, &format!("{fact}-{}_{}", pod.namespace(), pod.name));
        let how =
            format!("kubectl -n {} debug -it {} --image=IMAGE-WITH-TOOLS -- {command}", pod.namespace(), pod.name);
        Self {
            what: file.clone(),
            why,
            request: Some(Request {
                file,
                how: how.clone(),
                reading: crate::request::Reading::PodFact {
                    pod: pod.clone(),
                    node: node.to_owned(),
                    fact: fact.to_owned(),
                },
            }),
            how,
        }
    }

    /// What a server says of itself, taken on its machine by `command`.
    pub fn service(machine: &str, file: &str, command: &str, why: String) -> Self {
        let how = format!("{command}   on {machine}");
        Self { what: format!("services/{machine}/{file}"), why, how, request: None }
    }

    /// A fact of a host, taken there by `command`.
    pub fn host_fact(host: &str, fact: &str, command: &str, why: String) -> Self {
        let file = crate::evidence::Hosts::file(host, fact);
        let how = format!("{command}   on {host}");
        Self {
            what: file.clone(),
            why,
            request: Some(Request {
                file,
                how: how.clone(),
                reading: crate::request::Reading::HostFact { host: host.to_owned(), fact: fact.to_owned() },
            }),
            how,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_sorted_unique_and_complete() {
        let ids: Vec<&str> = all().iter().map(|cause| cause.id()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "causes::all() is not sorted: {ids:?}");
        let list = include_str!("mod.rs");
        for id in &ids {
            assert!(
                list.contains(&format!("\nmod {};", id.replace('-', "_"))),
                "the file of {id} is not named after it"
            );
        }
    }

    #[test]
    fn every_cause_has_a_whole_reference_and_tests_with_a_twin() {
        for cause in all() {
            let reference = reference(*cause);
            let headings: Vec<&str> = reference.sections.iter().map(|(heading, _)| heading.as_str()).collect();
            assert_eq!(headings, reference::HEADINGS, "the doc comment of {}", cause.id());
            let expected = cause.source().matches("=> ").count();
            assert!(
                expected >= 3,
                "{}: a case that holds, a near twin and an unknown are wanted in its tests",
                cause.id()
            );
        }
    }
}
