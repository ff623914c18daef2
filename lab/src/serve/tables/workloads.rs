//! What makes pods.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Column, Printer, age, ages, containers, count, labels, list, name, number, or, selector, selectors, text, truth,
    wide,
};

const DEPLOYMENTS: &[Column] = &[
    text("Name"),
    text("Ready"),
    text("Up-to-date"),
    text("Available"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];
const REPLICA_SETS: &[Column] = &[
    text("Name"),
    number("Desired"),
    number("Current"),
    number("Ready"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];
const DAEMON_SETS: &[Column] = &[
    text("Name"),
    number("Desired"),
    number("Current"),
    number("Ready"),
    number("Up-to-date"),
    number("Available"),
    text("Node Selector"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];
const STATEFUL_SETS: &[Column] = &[text("Name"), text("Ready"), text("Age"), wide("Containers"), wide("Images")];
const REVISIONS: &[Column] = &[text("Name"), text("Controller"), text("Revision"), text("Age")];
const JOBS: &[Column] = &[
    text("Name"),
    text("Status"),
    text("Completions"),
    text("Duration"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];
const CRON_JOBS: &[Column] = &[
    text("Name"),
    text("Schedule"),
    text("Timezone"),
    truth("Suspend"),
    number("Active"),
    text("Last Schedule"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];
pub(super) fn printer(kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Value, Timestamp) -> Vec<Value>) = match kind {
        "ControllerRevision" => (REVISIONS, revision),
        "CronJob" => (CRON_JOBS, cron_job),
        "DaemonSet" => (DAEMON_SETS, daemon_set),
        "Deployment" => (DEPLOYMENTS, deployment),
        "Job" => (JOBS, job),
        "ReplicaSet" => (REPLICA_SETS, replica_set),
        "ReplicationController" => (REPLICA_SETS, replication_controller),
        "StatefulSet" => (STATEFUL_SETS, stateful_set),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

/// The replicas that are wanted: 1 where nothing is said (defaults.go).
fn wanted(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn template(object: &Value) -> [Value; 2] {
    containers(&object["spec"]["template"]["spec"]["containers"])
}

fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = &object["status"];
    let [names, images] = template(object);
    vec![
        name(object),
        format!("{}/{}", count(&status["readyReplicas"]), wanted(object)).into(),
        count(&status["updatedReplicas"]).into(),
        count(&status["availableReplicas"]).into(),
        age(object, now),
        names,
        images,
        selectors::shown(&object["spec"]["selector"]).into(),
    ]
}

fn replicas(object: &Value, now: Timestamp, selector: String) -> Vec<Value> {
    let status = &object["status"];
    let [names, images] = template(object);
    vec![
        name(object),
        wanted(object).into(),
        count(&status["replicas"]).into(),
        count(&status["readyReplicas"]).into(),
        age(object, now),
        names,
        images,
        selector.into(),
    ]
}

fn replica_set(object: &Value, now: Timestamp) -> Vec<Value> {
    replicas(object, now, selector(&object["spec"]["selector"]))
}

fn replication_controller(object: &Value, now: Timestamp) -> Vec<Value> {
    replicas(object, now, labels(&object["spec"]["selector"]))
}

fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = |key: &str| count(&object["status"][key]).into();
    let [names, images] = template(object);
    vec![
        name(object),
        status("desiredNumberScheduled"),
        status("currentNumberScheduled"),
        status("numberReady"),
        status("updatedNumberScheduled"),
        status("numberAvailable"),
        labels(&object["spec"]["template"]["spec"]["nodeSelector"]).into(),
        age(object, now),
        names,
        images,
        selector(&object["spec"]["selector"]).into(),
    ]
}

fn stateful_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = template(object);
    let ready = format!("{}/{}", count(&object["status"]["readyReplicas"]), wanted(object));
    vec![name(object), ready.into(), age(object, now), names, images]
}

fn revision(object: &Value, now: Timestamp) -> Vec<Value> {
    let controller = list(&object["metadata"]["ownerReferences"]).find(|owner| owner["controller"] == true);
    let controller = controller.map_or("<none>".to_owned(), |owner| {
        let group =
            or(&owner["apiVersion"], "").split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
        format!("{}{group}/{}", or(&owner["kind"], "").to_ascii_lowercase(), or(&owner["name"], ""))
    });
    vec![name(object), controller.into(), count(&object["revision"]).into(), age(object, now)]
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let done = count(&status["succeeded"]);
    let completions = match (spec["completions"].as_i64(), count(&spec["parallelism"])) {
        (Some(wanted), _) => format!("{done}/{wanted}"),
        (None, side) if side > 1 => format!("{done}/1 of {side}"),
        _ => format!("{done}/1"),
    };
    let time = |key: &str| status[key].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let took = time("startTime").map_or(String::new(), |start| {
        ages::human(time("completionTime").unwrap_or(now).duration_since(start).as_secs())
    });
    let is = |kind: &str| list(&status["conditions"]).any(|each| each["type"] == kind && each["status"] == "True");
    let state = if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if !object["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else {
        ["Suspended", "FailureTarget", "SuccessCriteriaMet"].into_iter().find(|kind| is(kind)).unwrap_or("Running")
    };
    let [names, images] = template(object);
    vec![
        name(object),
        state.into(),
        completions.into(),
        took.into(),
        age(object, now),
        names,
        images,
        selector(&spec["selector"]).into(),
    ]
}

fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let template = &spec["jobTemplate"]["spec"];
    let [names, images] = containers(&template["template"]["spec"]["containers"]);
    let suspended = match spec["suspend"].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = &status["lastScheduleTime"];
    let last = if last.is_null() { "<none>".to_owned() } else { ages::since(last, now) };
    vec![
        name(object),
        or(&spec["schedule"], "").into(),
        or(&spec["timeZone"], "<none>").into(),
        suspended.into(),
        list(&status["active"]).count().into(),
        last.into(),
        age(object, now),
        names,
        images,
        selector(&template["selector"]).into(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_says_how_far_it_is() {
        let done = json!({"metadata": {"name": "j"}, "spec": {"completions": 1}, "status": {"succeeded": 1,
            "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:07Z",
            "conditions": [{"type": "Complete", "status": "True"}]}});
        assert_eq!(job(&done, Timestamp::UNIX_EPOCH)[1..4], ["Complete", "1/1", "7s"].map(Value::from));
    }
}
