//! Readings that the diagnoser asks for, taken from the live world.

use diagnoser::request::{Reading, Request};

use super::{hosts, objects};
use crate::{
    replay::Files,
    rigs::{Live, inside, running_container},
};

/// Facts of a pod's own network, with the command of each.
const POD_FACTS: [(&str, &str); 4] = [
    ("ip-route", "ip route"),
    ("resolv", "cat /etc/resolv.conf"),
    ("ss-all", "ss -tanH"),
    ("sysctl", "sysctl net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse net.ipv4.tcp_fin_timeout"),
];

/// Takes one reading.
///
/// # Errors
/// Why it cannot be had.
pub async fn answer(live: &Live, request: &Request) -> Result<Files, String> {
    let text = |error: crate::LabError| error.to_string();
    match &request.reading {
        Reading::PodSockets { pod, node } => {
            let object = live.read(pod).await.map_err(text)?;
            let container = running_container(&object).ok_or("its container does not run")?;
            let node = live.rig.node(node).map_err(text)?;
            let sockets = node.shell(&inside(container, "ss -tlnpH")).await.map_err(text)?;
            Ok(Files::from([(request.file.clone(), sockets)]))
        }
        Reading::PodFact { pod, node, fact } => {
            let command = POD_FACTS.iter().find(|(name, _)| name == fact);
            let (_, command) = command.ok_or(format!("the lab has no command for `{fact}`"))?;
            let object = live.read(pod).await.map_err(text)?;
            let container = running_container(&object).ok_or("its container does not run")?;
            let node = live.rig.node(node).map_err(text)?;
            let found = node.shell(&inside(container, command)).await.map_err(text)?;
            Ok(Files::from([(request.file.clone(), found)]))
        }
        Reading::HostFact { host, fact } => hosts::answer(live.rig.node(host).map_err(text)?, fact).await,
        Reading::Objects { resource, namespace } => {
            let list = objects::answer(live, resource, namespace.as_deref()).await.map_err(text)?;
            Ok(Files::from([("objects.json".to_owned(), list)]))
        }
    }
}
