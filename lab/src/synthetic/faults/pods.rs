//! Faults that keep the pods of a workload from running, or from being ready.

use serde_json::json;

use super::{Fails, Planted, World};
use crate::synthetic::{
    pods::{Trouble, list, trouble},
    world::App,
};

/// What is wrong sits in the workload's template, and leaves the Service without a ready pod.
fn in_the_workload(app: &App) -> Planted {
    Planted { subject: app.workload(), fails: Fails::Empty }
}

/// The application ends by itself soon after it starts.
pub(super) fn application_crash(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    trouble(world, &app, &Trouble::Ends(2, "Error", ""));
    for pod in &app.pods {
        let log = format!("starting {}\nfatal: option --shard-count: invalid value `many`\n", app.name);
        for end in ["", ".previous"] {
            world.files.insert(format!("logs/{}_{}_{}{end}.txt", app.namespace, pod.name, app.name), log.clone());
        }
    }
    in_the_workload(&app)
}

/// The pods name settings that do not exist.
pub(super) fn config_map_missing(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let missing = world.names.next(&mut world.chance);
    world.change_template(victim, |spec| {
        list(&mut spec["containers"][0]["envFrom"]).push(json!({"configMapRef": {"name": missing}}));
    });
    not_configured(world, &app, &format!("configmap \"{missing}\" not found"))
}

/// The pods take a variable out of a Secret that does not exist.
pub(super) fn secret_missing(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let missing = world.names.next(&mut world.chance);
    world.change_template(victim, |spec| {
        list(&mut spec["containers"][0]["env"])
            .push(json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": missing, "key": "token"}}}));
    });
    not_configured(world, &app, &format!("secret \"{missing}\" not found"))
}

fn not_configured(world: &mut World, app: &App, says: &str) -> Planted {
    trouble(world, app, &Trouble::Waits("CreateContainerConfigError", says));
    for pod in &app.pods {
        world.event(pod, "Warning", "Failed", &format!("Error: {says}"), 12, 20);
    }
    in_the_workload(app)
}

/// The program that is to be started is not in the image.
pub(super) fn container_command_invalid(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    world.change_template(victim, |spec| spec["containers"][0]["command"] = json!(["/srv/bin/start"]));
    let says = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: \
        unable to start container process: exec: \"/srv/bin/start\": stat /srv/bin/start: no such file or directory: unknown";
    trouble(world, &app, &Trouble::Ends(128, "StartError", says));
    for pod in &app.pods {
        world.event(pod, "Warning", "Failed", &format!("Error: {says}"), 30, 6);
    }
    in_the_workload(&app)
}

/// The image's tag does not exist.
pub(super) fn image_tag_missing(world: &mut World, victim: usize) -> Planted {
    not_pulled(world, victim, |image| {
        format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve reference \
             \"{image}\": {image}: not found"
        )
    })
}

/// The registry wants to know who asks, and the pods bring nothing.
pub(super) fn image_pull_secret_missing(world: &mut World, victim: usize) -> Planted {
    not_pulled(world, victim, |image| {
        format!(
            "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": failed to authorize: failed to \
             fetch anonymous token: unexpected status from GET request to https://registry.example.test/token: 401 Unauthorized"
        )
    })
}

fn not_pulled(world: &mut World, victim: usize, why: fn(&str) -> String) -> Planted {
    let app = world.apps[victim].clone();
    let image = format!("registry.example.test/team/{}:1.4.{}", app.name, world.chance.u8(3..));
    world.change_template(victim, |spec| spec["containers"][0]["image"] = json!(image));
    let says = format!("Back-off pulling image \"{image}\"");
    trouble(world, &app, &Trouble::Waits("ImagePullBackOff", &says));
    let failed = format!("Failed to pull image \"{image}\": {}", why(&image));
    for pod in &app.pods {
        world.object(pod)["status"]["containerStatuses"][0]["image"] = json!(image);
        world.event(pod, "Warning", "Failed", &failed, 60, 6);
        world.event(pod, "Normal", "BackOff", &says, 10, 20);
    }
    in_the_workload(&app)
}

/// The liveness probe asks a port that nobody listens on.
pub(super) fn liveness_probe_misconfigured(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let port = app.port + 1;
    world.change_template(victim, |spec| spec["containers"][0]["livenessProbe"]["httpGet"]["port"] = json!(port));
    trouble(world, &app, &Trouble::Ends(137, "Error", ""));
    let killed = format!("Container {} failed liveness probe, will be restarted", app.name);
    for pod in &app.pods {
        unhealthy(world, pod, "Liveness", port, "/alive", None);
        world.event(pod, "Normal", "Killing", &killed, 80, 6);
    }
    in_the_workload(&app)
}

/// The application needs more memory than its limit.
pub(super) fn memory_limit_exceeded(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    world.change_template(victim, |spec| spec["containers"][0]["resources"]["limits"]["memory"] = json!("96Mi"));
    trouble(world, &app, &Trouble::Ends(137, "OOMKilled", ""));
    in_the_workload(&app)
}

/// The readiness probe asks a port that nobody listens on.
pub(super) fn readiness_probe_wrong_port(world: &mut World, victim: usize) -> Planted {
    let port = world.apps[victim].port + 1;
    not_ready(world, victim, port, "/ready", None)
}

/// The readiness probe asks for a page that is not there.
pub(super) fn readiness_probe_wrong_path(world: &mut World, victim: usize) -> Planted {
    let port = world.apps[victim].port;
    not_ready(world, victim, port, "/readiness", Some(404))
}

fn not_ready(world: &mut World, victim: usize, port: u16, path: &str, answer: Option<u16>) -> Planted {
    let app = world.apps[victim].clone();
    world.change_template(victim, |spec| {
        let get = &mut spec["containers"][0]["readinessProbe"]["httpGet"];
        get["port"] = json!(port);
        get["path"] = json!(path);
    });
    trouble(world, &app, &Trouble::Unready);
    for pod in &app.pods {
        unhealthy(world, pod, "Readiness", port, path, answer);
    }
    in_the_workload(&app)
}

/// The kubelet's word on a probe that is answered so, or refused.
fn unhealthy(world: &mut World, pod: &diagnoser::Subject, probe: &str, port: u16, path: &str, answer: Option<u16>) {
    let address = world.object(pod)["status"]["podIP"].as_str().unwrap_or_default().to_owned();
    let got = match answer {
        Some(status) => format!("HTTP probe failed with statuscode: {status}"),
        None => {
            format!("Get \"http://{address}:{port}{path}\": dial tcp {address}:{port}: connect: connection refused")
        }
    };
    world.event(pod, "Warning", "Unhealthy", &format!("{probe} probe failed: {got}"), 8, 50);
}
