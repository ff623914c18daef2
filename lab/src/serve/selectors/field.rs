//! Field selectors, `status.phase!=Running,spec.nodeName=worker-1`. Which fields a kind may be selected by is Kubernetes' own
//! choice (kubernetes/pkg/apis/*/v1/conversion.go).

use serde_json::Value;

use crate::serve::resources::Resource;

/// Fields that must have, or must not have, a value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::serve) struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Reads a selector for objects of a kind.
    ///
    /// # Errors
    /// When it is none, or the kind cannot be selected by such a field, in an API server's words.
    pub fn parse(text: &str, resource: &Resource) -> Result<Self, String> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        parts.map(|part| requirement(part, resource)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an object fulfils it.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, value)| (of(object, field) == *value) == *equal)
    }
}

fn requirement(part: &str, resource: &Resource) -> Result<(String, bool, String), String> {
    let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
        (field, false, value)
    } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (field, true, value)
    } else {
        return Err(format!("invalid selector: '{part}'; can't understand '{part}'"));
    };
    let general = field == "metadata.name" || (field == "metadata.namespace" && resource.namespaced);
    if general || fields(&resource.plural).contains(&field) {
        // `\=`, `\,` and `\\` are written so within values.
        Ok((field.to_owned(), equal, value.replace('\\', "")))
    } else {
        Err(format!("field label not supported: {field}"))
    }
}

fn fields(plural: &str) -> &'static [&'static str] {
    match plural {
        "certificatesigningrequests" => &["spec.signerName"],
        "events" => &[
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.resourceVersion",
            "involvedObject.uid",
            "reason",
            "regarding.apiVersion",
            "regarding.fieldPath",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.resourceVersion",
            "regarding.uid",
            "reportingComponent",
            "reportingController",
            "source",
            "type",
        ],
        "jobs" => &["status.successful"],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "pods" => &[
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
            "status.podIPs",
        ],
        "replicasets" | "replicationcontrollers" => &["status.replicas"],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        _ => &[],
    }
}

/// A field as text, empty where it is not set.
fn of(object: &Value, field: &str) -> String {
    let pointer = match field {
        // One field that is called otherwise, and one that stands in either of two places.
        "status.successful" => "/status/succeeded".to_owned(),
        "source" => "/source/component".to_owned(),
        "status.podIPs" => "/status/podIP".to_owned(),
        _ => format!("/{}", field.replace('.', "/")),
    };
    match object.pointer(&pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => match field {
            "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
            "status.replicas" | "status.successful" => "0".to_owned(),
            "source" => object["reportingComponent"].as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        },
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::serve::resources::resources;

    #[test]
    fn a_kind_is_selected_by_its_own_fields_only() {
        let all = resources(&[]);
        let find = |plural: &str| all.iter().find(|resource| resource.plural == plural).expect("a kind");
        let pod = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"}, "status": {"phase": "Pending"}});
        let matches = |text: &str| FieldSelector::parse(text, find("pods")).expect(text).matches(&pod);
        assert!(matches("status.phase!=Running,spec.nodeName=n,metadata.name==a"));
        assert!(matches("spec.hostNetwork=false"));
        assert!(!matches("status.phase=Running"));
        let refused = FieldSelector::parse("spec.replicas=1", find("deployments"));
        assert_eq!(refused, Err("field label not supported: spec.replicas".to_owned()));
        assert!(FieldSelector::parse("metadata.namespace=a", find("nodes")).is_err());
    }
}
