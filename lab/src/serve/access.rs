//! Who one is and what one may do here: questions that clients put as POST and that change nothing
//! (kubectl auth can-i, kubectl auth whoami). kubectl puts them in protobuf, of which only the verb matters here.

use serde_json::{Value, json};

use super::{USER, answer::Answer, resources::Resource};

/// What can be done with a recording.
const MAY: [&str; 3] = ["get", "list", "watch"];

/// Who everyone is here.
const GROUP: &str = "system:authenticated";

/// The answer to a question; `None` where the kind is none that is asked about oneself.
pub(super) fn answer(resource: &Resource, body: &[u8]) -> Option<Answer> {
    let status = match resource.kind.as_str() {
        "SelfSubjectAccessReview" => match verb(body) {
            Some(verb) if MAY.contains(&verb.as_str()) => json!({"allowed": true}),
            _ => json!({"allowed": false, "reason": super::READ_ONLY}),
        },
        "SelfSubjectRulesReview" => json!({
            "incomplete": false,
            "resourceRules": [{"verbs": MAY, "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}],
        }),
        "SelfSubjectReview" => json!({"userInfo": {"username": USER, "groups": [GROUP]}}),
        _ => return None,
    };
    let review = json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": {}, "status": status});
    Some(Answer::json(&review).with_status(201))
}

/// The verb that a SelfSubjectAccessReview is about.
fn verb(body: &[u8]) -> Option<String> {
    if let Ok(review) = serde_json::from_slice::<Value>(body) {
        let spec = &review["spec"];
        let attributes = ["resourceAttributes", "nonResourceAttributes"].into_iter();
        return attributes.map(|kind| &spec[kind]["verb"]).find_map(|verb| Some(verb.as_str()?.to_owned()));
    }
    // `k8s\0`, and runtime.Unknown with the review as its field 2; k8s.io/api/authorization/v1/generated.proto has the others.
    let review = field(body.strip_prefix(b"k8s\0")?, 2)?;
    let spec = field(review, 2)?;
    let attributes = field(spec, 1).or_else(|| field(spec, 2))?;
    String::from_utf8(field(attributes, 2)?.to_vec()).ok()
}

/// A field of a protobuf message whose fields all have a length, as those on the way to the verb do.
fn field(mut message: &[u8], number: usize) -> Option<&[u8]> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let length = if key & 7 == 2 { varint(&mut message)? } else { return None };
        let (value, rest) = message.split_at_checked(length)?;
        if key >> 3 == number {
            return Some(value);
        }
        message = rest;
    }
    None
}

fn varint(bytes: &mut &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at(end + 1);
    *bytes = rest;
    // Longer ones than these would be lengths of gigabytes.
    let fits = number.len() <= 4;
    fits.then(|| number.iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{answer::Body, resources::resources};

    #[test]
    fn one_may_read_and_nothing_else() {
        let all = resources(&[]);
        let review = all.iter().find(|resource| resource.kind == "SelfSubjectAccessReview").expect("the kind");
        let allowed = |verb: &str| {
            let body = json!({"spec": {"resourceAttributes": {"verb": verb, "resource": "pods"}}}).to_string();
            let Some(Answer { status: 201, body: Body::Whole(text), .. }) = answer(review, body.as_bytes()) else {
                panic!("no answer")
            };
            serde_json::from_str::<Value>(&text).expect("JSON")["status"]["allowed"] == true
        };
        assert!(allowed("list"));
        assert!(!allowed("delete") && !allowed("*"));
    }

    #[test]
    fn a_verb_is_read_out_of_protobuf() {
        // {spec {resourceAttributes {namespace: "a", verb: "list"}}} after metadata and a type.
        let attributes = [b"\x0a\x01a\x12\x04list".as_slice()].concat();
        let spec = [&[0x0a, attributes.len() as u8], &attributes[..]].concat();
        let review = [b"\x0a\x00\x12".as_slice(), &[spec.len() as u8], &spec].concat();
        let whole = [b"k8s\0\x0a\x03abc\x12".as_slice(), &[review.len() as u8], &review].concat();
        assert_eq!(verb(&whole).as_deref(), Some("list"));
        for cut in 0..whole.len() {
            assert_eq!(verb(&whole[..cut]), None);
        }
    }
}
