//! Who one is and what one may do here: questions that clients put as POST and that change nothing
//! (kubectl auth can-i, kubectl auth whoami).

use serde_json::{Value, json};

use super::{
    USER,
    answer::{Answer, bad_request},
    resources::Resource,
};

/// What can be done with a recording.
const MAY: [&str; 3] = ["get", "list", "watch"];

/// Who everyone is here.
const GROUP: &str = "system:authenticated";

/// The answer to a question; `None` where the kind is none that is asked about oneself.
pub(super) fn answer(resource: &Resource, body: &[u8]) -> Option<Answer> {
    let mut review: Value = match serde_json::from_slice(body) {
        Ok(review @ Value::Object(_)) => review,
        Ok(_) => return Some(bad_request("the review is no object")),
        Err(error) => return Some(bad_request(format!("the review cannot be read: {error}"))),
    };
    review["status"] = match resource.kind.as_str() {
        "SelfSubjectAccessReview" => may(&review["spec"]),
        "SelfSubjectRulesReview" => json!({
            "incomplete": false,
            "resourceRules": [{"verbs": MAY, "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}],
        }),
        "SelfSubjectReview" => json!({"userInfo": {"username": USER, "groups": [GROUP]}}),
        _ => return None,
    };
    Some(Answer::json(&review).with_status(201))
}

fn may(spec: &Value) -> Value {
    let asked = ["resourceAttributes", "nonResourceAttributes"].iter().find_map(|kind| spec[*kind]["verb"].as_str());
    if asked.is_some_and(|verb| MAY.contains(&verb)) {
        json!({"allowed": true})
    } else {
        json!({"allowed": false, "reason": super::READ_ONLY})
    }
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
}
