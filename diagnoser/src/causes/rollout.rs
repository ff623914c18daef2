//! What a workload was rolled out with before: the template to go back to where the current one is at fault. It serves
//! fixes and says what the last rollout changed; no cause holds for its sake alone.
//!
//! Source: kubernetes.io, Deployments, "Rolling Back a Deployment" (ReplicaSets keep earlier templates, numbered by the
//! annotation `deployment.kubernetes.io/revision`); ControllerRevision apps/v1 (StatefulSets and DaemonSets);
//! StatefulSets, "Forced rollback" (a broken pod holds up the return to a good template until it is deleted).

use crate::json::{Text, Value};

use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Object},
    model::{Model, is_down},
    subject::Subject,
};

/// The template before the current one, and where it stands.
pub(super) struct Earlier<'e> {
    workload: &'e Object,
    kept_in: &'e Object,
    template: Value,
    current: Value,
    pointer: &'static str,
}

/// The last template of a workload that differs from its current one. `None` where there is none or none was collected, so
/// that it proves nothing by its absence.
pub(super) fn previous<'e>(model: &Model<'e>, workload: &Subject) -> Option<Earlier<'e>> {
    let workload = model.object(workload)?;
    let subject = workload.subject();
    let (kind, pointer) = if subject.is("deployment") {
        ("replicaset", "/spec/template")
    } else {
        ("controllerrevision", "/data/spec/template")
    };
    let current = normal(workload.get("/spec/template")?);
    let kept = model.evidence.objects.in_namespace(kind, subject.namespace());
    let own = kept.filter(|kept| kept.controller() == Some(subject));
    let others = own
        .filter_map(|kept| Some((kept, normal(kept.get(pointer)?))))
        .filter(|(_, template)| !differences(template, &current).is_empty());
    let (kept_in, template) = others
        .max_by_key(|(kept, _)| (revision(kept), kept.time("/metadata/creationTimestamp"), kept.subject().clone()))?;
    Some(Earlier { workload, kept_in, template, current, pointer })
}

impl Earlier<'_> {
    /// A field of the earlier template, by JSON pointer into the template.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.template.pointer(field).filter(|value| !value.is_null())
    }

    /// A citation of a field of the earlier template.
    pub fn cite(&self, field: &str, says: impl Into<String>) -> Citation {
        self.kept_in.cite(&format!("{}{field}", self.pointer), says)
    }

    /// The fields (pointers into the template) that the last rollout changed, added or removed; as deep as names lead.
    pub fn changed(&self) -> Vec<String> {
        differences(&self.template, &self.current)
    }

    /// The changes that set these fields of the template back, and let the pods follow.
    pub fn restore(&self, model: &Model<'_>, fields: &[String]) -> Vec<Change> {
        let object = self.workload.subject();
        let fields = fields.iter().map(|field| {
            let path = format!("/spec/template{field}");
            let from = self.current.pointer(field).cloned().unwrap_or(Value::Null);
            match self.get(field) {
                Some(to) => Change::Set { object: object.clone(), path, from, to: to.clone() },
                None => Change::Unset { object: object.clone(), path, from },
            }
        });
        fields.chain(self.stuck(model).into_iter().map(|pod| Change::Delete { object: pod })).collect()
    }

    /// Pods that hold up the way back: a StatefulSet that makes its pods in order waits for a broken one for ever.
    fn stuck(&self, model: &Model<'_>) -> Vec<Subject> {
        let subject = self.workload.subject();
        if !subject.is("statefulset") || self.workload.text("/spec/podManagementPolicy") == Some("Parallel") {
            return Vec::new();
        }
        model.pods_of(subject).filter(|pod| is_down(pod)).map(|pod| pod.subject().clone()).collect()
    }
}

/// Going back to the template before, as far as the last rollout changed what `concerns` a cause, and what shows it. Without
/// one, or where it changed nothing of the kind, only a person can decide, and `otherwise` says what.
pub(super) fn back(
    model: &Model<'_>,
    workload: &Subject,
    otherwise: impl Into<String>,
    concerns: impl Fn(&str) -> bool,
) -> (Fix, Option<Citation>) {
    let earlier = previous(model, workload);
    let fields: Vec<String> =
        earlier.iter().flat_map(|earlier| earlier.changed()).filter(|field| concerns(field)).collect();
    let (Some(earlier), Some(first)) = (earlier, fields.first()) else {
        return (Fix { summary: otherwise.into(), patch: vec![] }, None);
    };
    let value =
        earlier.get(first).map_or_else(|| "none".to_owned(), |value| value.to_string().chars().take(120).collect());
    let cited = earlier.cite(first, format!("before the last rollout: {value}"));
    let names: Vec<&str> = fields.iter().map(|field| field.trim_start_matches("/spec")).collect();
    let summary = format!("Set {workload} back to the template before: {}", names.join(", "));
    (Fix { summary, patch: earlier.restore(model, &fields) }, Some(cited))
}

/// The change that lets the pods of a workload start anew, as `kubectl rollout restart` does.
pub(super) fn restart(model: &Model<'_>, workload: &Subject) -> Option<Change> {
    const RESTARTED: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let object = model.object(workload)?;
    object.get("/spec/template")?;
    let from = object.get(RESTARTED).cloned().unwrap_or(Value::Null);
    let now = model.now.map_or("now".to_owned(), |now| now.to_string());
    Some(Change::Set { object: workload.clone(), path: RESTARTED.to_owned(), from, to: now.into() })
}

/// The number of a revision, counted up with every rollout.
fn revision(kept: &Object) -> Option<i64> {
    let noted = kept.map("/metadata/annotations");
    kept.number("/revision").or_else(|| noted.get("deployment.kubernetes.io/revision")?.parse().ok())
}

/// What the API server fills in, by name: a copy that was written down without it is no other template.
/// Source: kubernetes/pkg/apis/core/v1/defaults.go.
const WORDS: [(&str, &str); 7] = [
    ("dnsPolicy", "ClusterFirst"),
    ("protocol", "TCP"),
    ("restartPolicy", "Always"),
    ("schedulerName", "default-scheduler"),
    ("scheme", "HTTP"),
    ("terminationMessagePath", "/dev/termination-log"),
    ("terminationMessagePolicy", "File"),
];
const NUMBERS: [(&str, i64); 5] = [
    ("failureThreshold", 3),
    ("periodSeconds", 10),
    ("successThreshold", 1),
    ("terminationGracePeriodSeconds", 30),
    ("timeoutSeconds", 1),
];

fn is_default(key: &str, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::String(word) => WORDS.contains(&(key, word.as_str())),
        Value::Number(number) => {
            NUMBERS.iter().any(|(name, default)| key == *name && number.as_i64() == Some(*default))
        }
        Value::Object(map) => map.is_empty() && matches!(key, "resources" | "securityContext"),
        _ => false,
    }
}

fn without_defaults(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !is_default(key, value));
            map.values_mut().for_each(without_defaults);
        }
        Value::Array(list) => list.iter_mut().for_each(without_defaults),
        _ => {}
    }
}

/// A template without what controllers write into their copies of it, and without defaults.
fn normal(template: &Value) -> Value {
    use serde_json::Value as Json;
    let mut template = Json::from(template);
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Json::as_object_mut) {
        metadata.remove("creationTimestamp");
        if let Some(labels) = metadata.get_mut("labels").and_then(Json::as_object_mut) {
            labels.remove("pod-template-hash");
        }
    }
    if let Some(spec) = template.get_mut("spec") {
        without_defaults(spec);
    }
    template.into()
}

fn differences(a: &Value, b: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differing("", a, b, &mut found);
    found
}

/// Where two values differ; null is absent. Objects are gone into, and lists whose items bear the same names in the same order.
fn differing(pointer: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys: std::collections::BTreeSet<&Text> = x.keys().chain(y.keys()).collect();
            for key in keys {
                let deeper = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                differing(&deeper, &a[key], &b[key], found);
            }
        }
        (Value::Array(x), Value::Array(y)) if same_names(x, y) => {
            for (index, (a, b)) in x.iter().zip(y).enumerate() {
                differing(&format!("{pointer}/{index}"), a, b, found);
            }
        }
        _ if a != b => found.push(pointer.to_owned()),
        _ => {}
    }
}

fn same_names(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a["name"].is_string() && a["name"] == b["name"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{evidence::Evidence, sketch};

    fn with<T>(text: &str, workload: &str, look: impl FnOnce(&Model<'_>, Option<Earlier<'_>>) -> T) -> T {
        let evidence = Evidence::from_files(&sketch::evidence(text)).unwrap();
        let model = Model::new(&evidence);
        let earlier = previous(&model, &workload.parse().unwrap());
        look(&model, earlier)
    }

    #[test]
    fn a_template_that_is_none_is_no_other_template() {
        for odd in [crate::json::json!([1]), crate::json::json!("x"), Value::Null] {
            assert_eq!(normal(&odd), odd);
        }
    }

    #[test]
    fn what_the_last_rollout_changed_is_set_back_and_what_it_added_goes() {
        let text = "deployment a/p  app=p
             set deployment/a/p  spec.template.spec.containers[0].args=[1,3]  spec.template.spec.containers[0].livenessProbe.httpGet.port=1
             earlier deployment/a/p 1  metadata.labels.pod-template-hash=x  spec.containers[0].args=[1,2]  spec.containers[0].livenessProbe=null";
        with(text, "deployment/a/p", |model, earlier| {
            let earlier = earlier.unwrap();
            let changed = earlier.changed();
            assert_eq!(changed, ["/spec/containers/0/args", "/spec/containers/0/livenessProbe"]);
            let patch = serde_json::to_string(&earlier.restore(model, &changed)).unwrap();
            assert!(patch.contains(r#""to":[1,2]"#) && patch.contains(r#""op":"unset""#), "{patch}");
        });
    }

    #[test]
    fn the_latest_that_differs_is_the_one_before_and_copies_of_the_current_are_not() {
        let text = "deployment a/p  app=p
             set deployment/a/p  spec.template.spec.containers[0].image=three
             earlier deployment/a/p 8  spec.containers[0].image=one
             earlier deployment/a/p 9  spec.containers[0].image=two
             earlier deployment/a/p 10  metadata.labels.pod-template-hash=x";
        let image = |_: &Model<'_>, earlier: Option<Earlier<'_>>| earlier?.get("/spec/containers/0/image").cloned();
        assert_eq!(with(text, "deployment/a/p", image), Some("two".into()));
        let text = "deployment a/p  app=p\nearlier deployment/a/p 1  spec.restartPolicy=Always";
        assert!(with(text, "deployment/a/p", |_, earlier| earlier.is_none()), "the only one is the current one");
    }

    #[test]
    fn a_broken_pod_of_a_stateful_set_in_order_is_deleted_on_the_way_back() {
        let text =
            "object StatefulSet a/p  spec.template.spec.containers[0].name=c  spec.template.spec.containers[0].image=x
             earlier statefulset/a/p 1  spec.containers[0].image=w
             pod a/p-0  app=p  unready  owner statefulset/a/p
             pod a/p-1  app=p  ready  owner statefulset/a/p";
        let changes =
            |text: &str| with(text, "statefulset/a/p", |model, earlier| earlier.unwrap().restore(model, &[]).len());
        assert_eq!(changes(text), 1);
        assert_eq!(changes(&format!("{text}\nset statefulset/a/p  spec.podManagementPolicy=Parallel")), 0);
    }
}
