//! Pods.

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, Printer, age, ages, containers, count, labels, list, name, or, text, wide};

const PODS: &[Column] = &[
    text("Name"),
    text("Ready"),
    text("Status"),
    text("Restarts"),
    text("Age"),
    wide("IP"),
    wide("Node"),
    wide("Nominated Node"),
    wide("Readiness Gates"),
];

const TEMPLATES: &[Column] = &[text("Name"), text("Containers"), text("Images"), text("Pod Labels")];

pub(super) fn printer(kind: &str) -> Option<Printer> {
    match kind {
        "Pod" => Some(Printer { columns: PODS, cells: pod }),
        "PodTemplate" => Some(Printer { columns: TEMPLATES, cells: template }),
        _ => None,
    }
}

fn template(object: &Value, _now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(&object["template"]["spec"]["containers"]);
    vec![name(object), names, images, labels(&object["template"]["metadata"]["labels"]).into()]
}

fn pod(pod: &Value, now: Timestamp) -> Vec<Value> {
    let Summary { ready, total, reason, restarts, last } = summary(pod);
    let restarts = match last.filter(|_| restarts != 0) {
        Some(last) => format!("{restarts} ({} ago)", ages::human(now.duration_since(last).as_secs())),
        None => restarts.to_string(),
    };
    let status = &pod["status"];
    vec![
        name(pod),
        format!("{ready}/{total}").into(),
        reason.into(),
        restarts.into(),
        age(pod, now),
        or(&status["podIPs"][0]["ip"], "<none>").into(),
        or(&pod["spec"]["nodeName"], "<none>").into(),
        or(&status["nominatedNodeName"], "<none>").into(),
        gates(pod).into(),
    ]
}

/// What a pod comes to in one line.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    /// When a container last ended and was started again.
    last: Option<Timestamp>,
}

fn summary(pod: &Value) -> Summary {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let mut reason = or(&status["reason"], or(&status["phase"], "")).to_owned();
    if list(&status["conditions"]).any(|each| each["type"] == "PodScheduled" && each["reason"] == "SchedulingGated") {
        reason = "SchedulingGated".to_owned();
    }
    // Init containers that stay: sidecars.
    let stays = |name: &Value| {
        list(&spec["initContainers"]).any(|each| each["name"] == *name && each["restartPolicy"] == "Always")
    };
    let sidecars = list(&spec["initContainers"]).filter(|each| stays(&each["name"])).count();
    let mut ready = 0;
    let (mut first, mut beside) = (Restarts::default(), Restarts::default());
    let mut initializing = false;
    for (index, container) in list(&status["initContainerStatuses"]).enumerate() {
        let stays = stays(&container["name"]);
        first.add(container);
        if stays {
            beside.add(container);
        }
        let (ended, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
        if ended["exitCode"] == 0 {
            continue;
        }
        if stays && container["started"] == true {
            ready += usize::from(container["ready"] == true);
            continue;
        }
        let why = or(&waiting["reason"], "PodInitializing");
        reason = if !ended.is_null() {
            format!("Init:{}", how_it_ended(ended))
        } else if why != "PodInitializing" {
            format!("Init:{why}")
        } else {
            format!("Init:{index}/{}", list(&spec["initContainers"]).count())
        };
        initializing = true;
        break;
    }
    let is_true = |kind: &str| {
        list(&status["conditions"]).find(|each| each["type"] == kind).is_some_and(|each| each["status"] == "True")
    };
    let mut restarts = first;
    if !initializing || is_true("Initialized") {
        restarts = beside;
        let mut running = false;
        let containers: Vec<&Value> = list(&status["containerStatuses"]).collect();
        for container in containers.into_iter().rev() {
            restarts.add(container);
            let (ended, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
            if !or(&waiting["reason"], "").is_empty() {
                reason = or(&waiting["reason"], "").to_owned();
            } else if !ended.is_null() {
                reason = how_it_ended(ended);
            } else if container["ready"] == true && !container["state"]["running"].is_null() {
                running = true;
                ready += 1;
            }
        }
        if reason == "Completed" && running {
            reason = if is_true("Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        if status["reason"] == "NodeLost" {
            reason = "Unknown".to_owned();
        } else if status["phase"] != "Succeeded" && status["phase"] != "Failed" {
            reason = "Terminating".to_owned();
        }
    }
    let total = list(&spec["containers"]).count() + sidecars;
    Summary { ready, total, reason, restarts: restarts.count, last: restarts.last }
}

#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += count(&container["restartCount"]);
        let ended = container["lastState"]["terminated"]["finishedAt"].as_str();
        self.last = self.last.max(ended.and_then(|time| time.parse().ok()));
    }
}

fn how_it_ended(ended: &Value) -> String {
    match (or(&ended["reason"], ""), count(&ended["signal"])) {
        ("", 0) => format!("ExitCode:{}", count(&ended["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn gates(pod: &Value) -> String {
    let gates: Vec<&Value> = list(&pod["spec"]["readinessGates"]).map(|gate| &gate["conditionType"]).collect();
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let open = gates.iter().filter(|gate| {
        let condition = list(&pod["status"]["conditions"]).find(|each| each["type"] == ***gate);
        condition.is_some_and(|each| each["status"] == "True")
    });
    format!("{}/{}", open.count(), gates.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(pod: Value) -> [String; 3] {
        let cells = super::pod(&pod, "2026-01-01T00:05:00Z".parse().expect("a time"));
        [1, 2, 3].map(|index| cells[index].as_str().expect("text").to_owned())
    }

    #[test]
    fn one_line_says_what_a_pod_comes_to() {
        let containers = json!([{"name": "a"}, {"name": "b"}]);
        let running = json!({"name": "a", "ready": true, "restartCount": 0, "state": {"running": {}}});
        let crashing = json!({"name": "b", "ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:04:00Z"}}});
        let pod = json!({"spec": {"containers": containers}, "status": {"phase": "Running", "containerStatuses": [running, crashing]}});
        assert_eq!(shown(pod), ["1/2", "CrashLoopBackOff", "3 (60s ago)"]);
        let waiting = json!({"spec": {"containers": containers}, "status": {"phase": "Pending"}});
        assert_eq!(shown(waiting), ["0/2", "Pending", "0"]);
        let init = json!({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}, {"name": "j"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "i", "state": {"terminated": {"exitCode": 0}}}, {"name": "j", "state": {"waiting": {"reason": "PodInitializing"}}}]}});
        assert_eq!(shown(init), ["0/1", "Init:1/2", "0"]);
        let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"containers": [{"name": "a"}]},
            "status": {"phase": "Running"}});
        assert_eq!(shown(leaving), ["0/1", "Terminating", "0"]);
        let killed = json!({"spec": {"containers": [{"name": "a"}]}, "status": {"phase": "Failed",
            "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 137, "signal": 9}}}]}});
        assert_eq!(shown(killed), ["0/1", "Signal:9", "0"]);
    }
}
