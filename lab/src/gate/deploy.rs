//! Setting a world up: of a cluster file systems on nodes, then objects in an order in which each finds what it needs; or
//! networks and machines, then their services.

use std::time::Duration;

use futures::future::try_join_all;

use super::Run;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Live, Machines, System, rolled_out},
    scenario::HostSetup,
};

/// How long every workload may take to be ready.
const READY: Duration = Duration::from_secs(90);

/// Sets the world up and waits until everything of it is there.
pub(super) async fn deploy(run: &Run<'_>) -> Result<(), LabError> {
    match &run.system {
        System::Cluster(live) => of_cluster(run, live).await,
        System::Machines(machines) => {
            run.ledger.make(&run.system, &raised(machines), run.journal).await?;
            machines.set_up().await
        }
    }
}

/// Waits until everything of the world is there again.
pub(super) async fn all_there(system: &System) -> Result<(), LabError> {
    match system {
        System::Cluster(live) => all_ready(live).await,
        // A service that was started is there when its command returns.
        System::Machines(_) => Ok(()),
    }
}

/// The world's machines, all at once: they carry the place's label from their beginning.
fn raised(machines: &Machines) -> Mutation {
    let plan = machines.plan();
    let place = plan.place.clone();
    let names: Vec<&str> = plan.machines.iter().map(|machine| machine.name.as_str()).collect();
    let what = format!("make the machines {} and {} networks", names.join(", "), plan.networks.len());
    Mutation::new(what, Action::Raise(plan), "remove them", Action::Raze { place })
}

async fn of_cluster(run: &Run<'_>, live: &Live) -> Result<(), LabError> {
    let Live { rig, world, objects } = live;
    for host in &world.hosts {
        let mutation = file_system(&rig.node(&host.node)?.name, host);
        run.ledger.make(&run.system, &mutation, run.journal).await?;
    }
    // What has no namespace is written down one by one; the rest goes with its namespace.
    for (_, object) in objects.iter().filter(|(subject, _)| subject.namespace.is_none()) {
        run.ledger.make(&run.system, &Mutation::apply(object)?, run.journal).await?;
    }
    let workload = |kind: &str| matches!(kind, "deployment" | "statefulset" | "daemonset" | "job");
    for workloads in [false, true] {
        let now =
            objects.iter().filter(|(subject, _)| subject.namespace.is_some() && workload(&subject.kind) == workloads);
        try_join_all(now.map(|(subject, object)| rig.api.apply(subject, object))).await?;
    }
    all_ready(live).await
}

/// Waits until every workload of the world is rolled out.
async fn all_ready(live: &Live) -> Result<(), LabError> {
    try_join_all(live.workloads().map(|subject| live.rig.api.watch(subject, "to be ready", READY, rolled_out)))
        .await
        .map(drop)
}

/// A small file system in memory on a node of the lab's own.
fn file_system(node: &str, host: &HostSetup) -> Mutation {
    let (path, size, inodes) = (&host.tmpfs.path, &host.tmpfs.size, host.tmpfs.inodes);
    let mount = format!(
        "mkdir -p '{path}' && {{ mountpoint -q '{path}' || mount -t tmpfs -o 'size={size},nr_inodes={inodes}' tmpfs '{path}'; }}"
    );
    let unmount =
        format!("! mountpoint -q '{path}' || umount '{path}' || umount -l '{path}'; rmdir '{path}' 2>/dev/null; true");
    Mutation::new(
        format!("mount a file system of {size} and {inodes} inodes at {path} on {node}"),
        Action::shell(node, &mount),
        format!("unmount {path} on {node}"),
        Action::shell(node, &unmount),
    )
}
