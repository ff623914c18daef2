//! Where scenarios run: the lab's own cluster, machines of its own, and the hands in both. One rig, one file.
//!
//! Everything that changes a live system goes through [`Action`], which refuses whatever does not carry the lab's label.
//! What may not enter: any cluster, container or network namespace that is not the lab's own.

mod action;
mod api;
mod docker;
mod engine;
pub mod kind;
mod kinds;
mod live;
mod machines;
mod mesh;
mod names;
mod node;
mod system;
mod until;

pub use action::{Action, subject_of};
pub use api::{KubeApi, LABEL, OWNED, is_owned};
pub use docker::{DockerRig, Plan, raze_all};
pub use engine::{Engine, Output};
pub use kind::{KindCluster, NAME as CLUSTER, kubeconfig};
pub use kinds::{Kind, kind_of, kinds};
pub use live::{Live, WORKLOAD, lines_of, manifests, rolled_out};
pub use machines::Machines;
pub use node::{Node, inside, of_process, pod_subject, running_container, with_files_of};
pub use system::System;
pub use until::{Now, until};
