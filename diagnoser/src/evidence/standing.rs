//! How a pod stands: what is asked of each again and again, and so read once.

use crate::json::{Map, Value};

/// Fields that say how a pod stands. What has no such fields is none of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// It has come to its end, well or not.
    pub finished: bool,
    /// It is being deleted.
    pub deleted: bool,
    /// The Ready condition is true.
    pub ready: bool,
    /// Every container runs; a ready pod does, even where its containers' states were not collected.
    pub running: bool,
}

impl Standing {
    pub(super) fn of(object: &Value) -> Self {
        let status = object.get("status").and_then(Value::as_object);
        let field = |key: &str| status.and_then(|status: &Map| status.get(key));
        let list = |key: &str| field(key).and_then(Value::as_array).unwrap_or_default();
        let ready = list("conditions").iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
        let containers = list("containerStatuses");
        let run = || containers.iter().all(|status| !status["state"]["running"].is_null());
        Self {
            finished: matches!(field("phase").and_then(Value::as_str), Some("Succeeded" | "Failed")),
            deleted: !object["metadata"]["deletionTimestamp"].is_null(),
            ready,
            running: if containers.is_empty() { ready } else { run() },
        }
    }
}
