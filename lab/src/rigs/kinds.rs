//! The kinds of objects the lab handles: a table instead of a discovery round, so that a run asks for the same every time.

use diagnoser::Subject;
use kube::api::ApiResource;

use crate::LabError;

/// A kind of Kubernetes object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `apps/v1`, or `v1` for the core group.
    pub version: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// `deployments`.
    pub plural: &'static str,
    /// Whether objects of it live in a namespace.
    pub namespaced: bool,
}

/// Every kind, sorted by plural.
const KINDS: [Kind; 41] = [
    global("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings"),
    global("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
    local("v1", "ConfigMap", "configmaps"),
    local("apps/v1", "ControllerRevision", "controllerrevisions"),
    local("batch/v1", "CronJob", "cronjobs"),
    global("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
    local("apps/v1", "DaemonSet", "daemonsets"),
    local("apps/v1", "Deployment", "deployments"),
    local("networking.istio.io/v1", "DestinationRule", "destinationrules"),
    local("v1", "Endpoints", "endpoints"),
    local("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    local("v1", "Event", "events"),
    local("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    global("networking.k8s.io/v1", "IngressClass", "ingressclasses"),
    local("networking.k8s.io/v1", "Ingress", "ingresses"),
    local("batch/v1", "Job", "jobs"),
    local("coordination.k8s.io/v1", "Lease", "leases"),
    local("v1", "LimitRange", "limitranges"),
    global("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    global("v1", "Namespace", "namespaces"),
    local("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    global("v1", "Node", "nodes"),
    local("security.istio.io/v1", "PeerAuthentication", "peerauthentications"),
    local("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    global("v1", "PersistentVolume", "persistentvolumes"),
    local("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    local("v1", "Pod", "pods"),
    global("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses"),
    local("apps/v1", "ReplicaSet", "replicasets"),
    local("v1", "ReplicationController", "replicationcontrollers"),
    local("v1", "ResourceQuota", "resourcequotas"),
    local("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    local("rbac.authorization.k8s.io/v1", "Role", "roles"),
    local("v1", "Secret", "secrets"),
    local("v1", "ServiceAccount", "serviceaccounts"),
    local("networking.istio.io/v1", "ServiceEntry", "serviceentries"),
    local("v1", "Service", "services"),
    local("apps/v1", "StatefulSet", "statefulsets"),
    global("storage.k8s.io/v1", "StorageClass", "storageclasses"),
    global("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    local("networking.istio.io/v1", "VirtualService", "virtualservices"),
];

const fn local(version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { version, kind, plural, namespaced: true }
}

const fn global(version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { version, kind, plural, namespaced: false }
}

/// Every kind the lab handles.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter()
}

/// The kind of this name in any of its forms: `Deployment`, `deployment`, `deployments`.
///
/// # Errors
/// When the lab does not handle it.
pub fn kind_of(name: &str) -> Result<&'static Kind, LabError> {
    let known = |kind: &&Kind| kind.kind.eq_ignore_ascii_case(name) || kind.plural.eq_ignore_ascii_case(name);
    kinds().find(known).ok_or_else(|| {
        let all = "The kinds the lab handles are listed in lab/src/rigs/kinds.rs.";
        LabError::unknown_name("kind of object", name, kinds().map(|kind| kind.kind), all)
    })
}

impl Kind {
    /// For the Kubernetes client.
    pub fn resource(&self) -> ApiResource {
        let (group, version) = self.version.split_once('/').unwrap_or(("", self.version));
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: self.version.to_owned(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }

    /// An object of this kind.
    pub fn subject(&self, namespace: Option<&str>, name: &str) -> Subject {
        match namespace {
            Some(namespace) => Subject::namespaced(self.kind, namespace, name),
            None => Subject::global(self.kind, name),
        }
    }
}
