//! A reading the diagnoser asks for. It never takes one itself: the lab answers from a live system or from a recording.

use serde::{Deserialize, Serialize};

use crate::subject::Subject;

/// One reading that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Request {
    /// The file of the evidence folder the answer goes to.
    pub file: String,
    /// The ordinary command that takes the reading.
    pub how: String,
    /// The same for a program.
    pub reading: Reading,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The listening TCP sockets in a pod's network namespace (`ss -tlnpH`), into `hosts/<node>/ss-<namespace>_<pod>.txt`.
    PodSockets {
        /// The pod.
        pod: Subject,
        /// The node it runs on.
        node: String,
    },
    /// A fact of a pod's own network namespace (`sysctl`, `ss-all`, `ip-route`, `resolv`), into
    /// `hosts/<node>/<fact>-<namespace>_<pod>.txt`.
    PodFact {
        /// The pod.
        pod: Subject,
        /// The node it runs on.
        node: String,
        /// The name of the fact.
        fact: String,
    },
    /// A fact of a host, by the name of its file without `.txt` (`df-inodes`, `conntrack`).
    HostFact {
        /// The host.
        host: String,
        /// The name of the fact.
        fact: String,
    },
    /// All objects of one resource (plural, lower case) in a namespace, or of the cluster, into `objects.json`.
    Objects {
        /// `networkpolicies`, `endpointslices` ...
        resource: String,
        /// The namespace; `None` for the whole cluster.
        namespace: Option<String>,
    },
}
