//! What is asked before an object is taken.

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, Printer, age, list, name, number, or, text};

const WEBHOOKS: &[Column] = &[text("Name"), number("Webhooks"), text("Age")];
const POLICIES: &[Column] = &[text("Name"), number("Validations"), text("ParamKind"), text("Age")];
const BINDINGS: &[Column] = &[text("Name"), text("PolicyName"), text("ParamRef"), text("Age")];

pub(super) fn printer(kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Value, Timestamp) -> Vec<Value>) = match kind {
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => (WEBHOOKS, webhooks),
        "ValidatingAdmissionPolicy" => (POLICIES, policy),
        "ValidatingAdmissionPolicyBinding" => (BINDINGS, binding),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn webhooks(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), list(&object["webhooks"]).count().into(), age(object, now)]
}

fn policy(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let parameter = match &spec["paramKind"] {
        Value::Null => "<unset>".to_owned(),
        kind => format!("{}/{}", or(&kind["apiVersion"], ""), or(&kind["kind"], "")),
    };
    vec![name(object), list(&spec["validations"]).count().into(), parameter.into(), age(object, now)]
}

fn binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let parameter = match or(&spec["paramRef"]["name"], "") {
        "" => "<unset>".to_owned(),
        name => format!("{}/{name}", or(&spec["paramRef"]["namespace"], "*")),
    };
    vec![name(object), or(&spec["policyName"], "").into(), parameter.into(), age(object, now)]
}
