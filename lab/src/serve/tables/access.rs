//! Who may do what, and what is kept for them.

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, Printer, age, ages, joined, list, name, or, text, wide};

const BINDINGS: &[Column] =
    &[text("Name"), text("Role"), text("Age"), wide("Users"), wide("Groups"), wide("ServiceAccounts")];
const ROLES: &[Column] = &[text("Name"), text("Created At")];
const ACCOUNTS: &[Column] = &[text("Name"), text("Secrets"), text("Age")];
const SECRETS: &[Column] = &[text("Name"), text("Type"), text("Data"), text("Age")];
const SETTINGS: &[Column] = &[text("Name"), text("Data"), text("Age")];
const REQUESTS: &[Column] =
    &[text("Name"), text("Age"), text("SignerName"), text("Requestor"), text("RequestedDuration"), text("Condition")];

pub(super) fn printer(kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Value, Timestamp) -> Vec<Value>) = match kind {
        "CertificateSigningRequest" => (REQUESTS, request),
        "ClusterRole" | "Role" => (ROLES, role),
        "ClusterRoleBinding" | "RoleBinding" => (BINDINGS, binding),
        "ConfigMap" => (SETTINGS, settings),
        "Secret" => (SECRETS, secret),
        "ServiceAccount" => (ACCOUNTS, account),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn role(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![name(object), or(&object["metadata"]["creationTimestamp"], "").into()]
}

fn binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let role = &object["roleRef"];
    let of = |kind: &str| -> Value {
        let subjects = list(&object["subjects"]).filter(|subject| subject["kind"] == kind);
        let named = subjects.map(|subject| match (kind, or(&subject["name"], "")) {
            ("ServiceAccount", name) => format!("{}/{name}", or(&subject["namespace"], "")),
            (_, name) => name.to_owned(),
        });
        named.collect::<Vec<_>>().join(", ").into()
    };
    vec![
        name(object),
        format!("{}/{}", or(&role["kind"], ""), or(&role["name"], "")).into(),
        age(object, now),
        of("User"),
        of("Group"),
        of("ServiceAccount"),
    ]
}

fn account(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), list(&object["secrets"]).count().into(), age(object, now)]
}

fn entries(object: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| object[*key].as_object().map_or(0, |map| map.len())).sum::<usize>().into()
}

fn secret(object: &Value, now: Timestamp) -> Vec<Value> {
    // A secret without a type was collected without its contents.
    let data = if object["type"].is_null() { "<unknown>".into() } else { entries(object, &["data"]) };
    vec![name(object), or(&object["type"], "<unknown>").into(), data, age(object, now)]
}

fn settings(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), entries(object, &["data", "binaryData"]), age(object, now)]
}

fn request(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let is = |kind: &str| list(&status["conditions"]).any(|each| each["type"] == kind);
    let decision = if is("Denied") {
        "Denied"
    } else if is("Approved") {
        "Approved"
    } else {
        "Pending"
    };
    let failed = is("Failed").then_some("Failed");
    let issued = (!or(&status["certificate"], "").is_empty()).then_some("Issued");
    let state = joined([Some(decision), failed, issued].into_iter().flatten(), ",");
    vec![
        name(object),
        age(object, now),
        or(&spec["signerName"], "<none>").into(),
        or(&spec["username"], "").into(),
        spec["expirationSeconds"].as_i64().map_or("<none>".to_owned(), ages::human).into(),
        state.into(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_binding_names_its_subjects_by_their_kind() {
        let object = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [
            {"kind": "ServiceAccount", "namespace": "a", "name": "x"}, {"kind": "User", "name": "ann"}, {"kind": "User", "name": "bo"}]});
        let cells = binding(&object, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[3..], ["ann, bo", "", "a/x"].map(Value::from));
        assert_eq!(cells[1], "ClusterRole/view");
    }
}
