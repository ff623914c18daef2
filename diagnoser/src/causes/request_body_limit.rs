//! Something on the way allows request bodies up to a size, and requests that are meant to pass are larger.
//!
//! # What it looks like
//! Only large requests fail, whoever sends them: 413 at once from a proxy or an application that says so, or a connection cut
//! in the middle of the body, which the hop before it reports as 502. Small requests of the same kind pass.
//!
//! # Confirm by hand
//! `head -c 2000000 /dev/zero | curl -s -o /dev/null -w '%{http_code}\n' --data-binary @- URL` fails and with `-c 1000` it
//! does not. Find the innermost hop that logged the large one, and its limit: `client_max_body_size` of nginx (1m where
//! nothing is said), the annotation `nginx.ingress.kubernetes.io/proxy-body-size`, or the application's own setting.
//!
//! # Fix
//! Raise the limit of that hop above the largest request that is meant to pass, and let it read its configuration again;
//! then see what the next hop allows.
//!
//! # Who acts
//! The owner of the hop that has the limit.
//!
//! # Source
//! RFC 9110, 15.5.14 (413 Content Too Large: the server may close the connection); nginx.org, ngx_http_core_module,
//! `client_max_body_size`.

use std::collections::BTreeSet;

use super::{Case, Cause, Finding, Lack, Proof, State, body_limits, body_limits::Limit};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact},
    model::{Model, Relation},
    narrowing::{Condition, Narrowed},
    propagation::Mode,
    subject::Subject,
    symptoms::{Observation, Symptom, outermost},
};

/// See the module's comment.
pub struct RequestBodyLimit;

impl Cause for RequestBodyLimit {
    fn id(&self) -> &'static str {
        "request-body-limit"
    }

    fn source(&self) -> &'static str {
        include_str!("request_body_limit.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let symptoms = case.symptoms.iter().zip(case.narrowed);
        symptoms.filter_map(|(symptom, narrowed)| examine(case.model, symptom, narrowed.as_ref()?)).flatten().collect()
    }
}

/// Sizes of what passed and what failed at a hop, by what the client sent.
pub(super) struct Sizes {
    /// The largest that passed.
    pub(super) passed: u64,
    /// The smallest that failed.
    pub(super) failed: u64,
    /// The largest that failed: what the limit has to allow.
    pub(super) largest: u64,
}

fn examine(model: &Model<'_>, symptom: &Symptom, narrowed: &Narrowed) -> Option<Vec<Finding>> {
    let origin = symptom.origin.as_ref().filter(|origin| origin.hop != "client")?;
    let large = |condition: &Condition| matches!(condition, Condition::Range { attribute, from: Some(_), to: None } if attribute == "bytes");
    let scope = narrowed.scope.as_ref()?;
    let seen = Citation::new("traffic.jsonl", "", format!("only {} fails", scope.says()));
    if !scope.conditions.iter().any(large) {
        return None;
    }
    // Who says 413 has the limit itself; a connection that is cut is cut by whoever logged it last, or by the next.
    let answers = matches!(symptom.seen, Observation::Status(413, _));
    let cut = matches!(symptom.seen, Observation::Failed(_) | Observation::Status(500 | 502, _));
    if !answers && !cut {
        return None;
    }
    let mut findings = Vec::new();
    let here = examine_pods(model, &origin.pods, answers, symptom, &seen);
    let found = here.iter().any(|finding| matches!(finding.state, State::Holds(_)));
    if !found && !answers {
        findings.extend(examine_pods(model, &next(model, &origin.pods), answers, symptom, &seen));
    }
    findings.extend(here);
    // A limit that is found leaves nothing to be asked elsewhere on the way.
    if findings.iter().any(|finding| matches!(finding.state, State::Holds(_))) {
        findings.retain(|finding| !matches!(finding.state, State::Undecided(_)));
    }
    Some(findings)
}

/// The pods that these pods send requests to.
fn next(model: &Model<'_>, pods: &BTreeSet<Subject>) -> BTreeSet<Subject> {
    let called =
        pods.iter().flat_map(|pod| model.dependencies(pod)).filter(|edge| edge.relation == Relation::ConnectsTo);
    let called: BTreeSet<&Subject> = called.map(|edge| &edge.to).collect();
    let behind = called.iter().flat_map(|subject| model.dependencies(subject)).map(|edge| &edge.to);
    called.iter().copied().chain(behind).filter(|subject| subject.is("pod")).cloned().collect()
}

fn examine_pods(
    model: &Model<'_>,
    pods: &BTreeSet<Subject>,
    answers: bool,
    symptom: &Symptom,
    seen: &Citation,
) -> Vec<Finding> {
    let Some(sizes) = sizes(model, symptom, pods) else { return Vec::new() };
    let mode = if answers { Mode::Rejects } else { Mode::Broken };
    let effects: Vec<(Subject, Mode)> = pods.iter().map(|pod| (pod.clone(), mode)).collect();
    let mut limits: Vec<Limit> = Vec::new();
    for limit in pods.iter().filter_map(|pod| model.object(pod)).flat_map(|pod| body_limits::of_pod(model, pod)) {
        if limit.stops(&sizes) && !limits.iter().any(|known| known.subject == limit.subject) {
            limits.push(limit);
        }
    }
    if limits.is_empty() {
        let workloads: BTreeSet<Subject> = pods.iter().map(|pod| model.workload_of(pod)).collect();
        let undecided = workloads.into_iter().map(|workload| Finding {
            effects: effects.clone(),
            state: State::Undecided(vec![lack(model, &workload)]),
            subject: workload,
        });
        return undecided.collect();
    }
    limits
        .into_iter()
        .map(|limit| {
            let (summary, patch) = limit.raise(model, sizes.largest);
            Finding {
                effects: effects.clone(),
                state: State::Holds(Box::new(Proof {
                    evidence: vec![seen.clone(), limit.cited],
                    fix: Fix { summary, patch },
                    wants: vec![],
                    changed: None,
                })),
                subject: limit.subject,
            }
        })
        .collect()
}

/// The configuration in which the limit would stand.
fn lack(model: &Model<'_>, workload: &Subject) -> Lack {
    if let Fact::Missed(why) = model.evidence.listed("configmap", "configmaps") {
        return Lack::objects("configmaps", workload.namespace.as_deref(), why);
    }
    Lack {
        what: format!("the limit of request bodies of {workload}"),
        why: "no setting that was collected names it".to_owned(),
        how: format!(
            "kubectl -n {} describe {} {}, and its configuration",
            workload.namespace(),
            workload.kind,
            workload.name
        ),
        request: None,
    }
}

/// What the client sent of the requests that failed as the symptom says, and of those that these pods answered well.
fn sizes(model: &Model<'_>, symptom: &Symptom, pods: &BTreeSet<Subject>) -> Option<Sizes> {
    let here = model.evidence.traffic.iter().filter(|record| record.pod().is_some_and(|pod| pods.contains(&pod)));
    let ids: BTreeSet<&str> =
        here.filter(|record| record.succeeded()).filter_map(|record| record.id.as_deref()).collect();
    let sent = outermost(model);
    let since = |time: Option<jiff::Timestamp>| symptom.since.is_none_or(|since| time.is_none_or(|time| time >= since));
    let passed = sent.iter().filter(|(_, record)| record.id.as_deref().is_some_and(|id| ids.contains(id)));
    let passed = passed.filter(|(_, record)| since(record.time)).filter_map(|(_, record)| record.bytes).max();
    let failed = sent.iter().filter(|(_, record)| record.failed() && since(record.time));
    let failed: BTreeSet<u64> = failed
        .filter(|(_, record)| crate::symptoms::alike(crate::symptoms::observation(record), symptom.seen))
        .filter_map(|(_, record)| record.bytes)
        .collect();
    let largest = failed.last().copied()?;
    // What fails now and then for another reason is no larger than what passes.
    let failed = failed.into_iter().find(|bytes| *bytes > passed.unwrap_or_default())?;
    Some(Sizes { passed: passed.unwrap_or_default(), failed, largest })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const EDGE: &str = "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod a/c-1  app=c  ready  calls s:80
             set pod/a/s-1  spec.volumes[0].configMap.name=conf
             request hop=client method=POST path=/ bytes=16 status=200 seconds=0.01 upstream=s:80 pod=a/c-1 id=g at=-0.1 x30
             request hop=edge method=POST path=/ bytes=90 status=200 seconds=0.005 pod=a/s-1 id=g at=-0.1 x30
             request hop=client method=POST path=/ bytes=3000000 status=413 seconds=0.01 upstream=s:80 pod=a/c-1 id=b at=0 x12
             request hop=edge method=POST path=/ bytes=90 status=413 seconds=0.005 pod=a/s-1 id=b at=0 x12";
    const NGINX: &str =
        r#"object ConfigMap a/conf  data.nginx~conf="http { client_max_body_size 1m; server { listen 80; } }""#;

    #[test]
    fn holds_for_the_configuration_of_a_proxy() {
        check(&format!("{EDGE}\n{NGINX}\n=> request-body-limit configmap/a/conf"));
    }

    #[test]
    fn holds_for_the_default_of_nginx() {
        let unsaid = NGINX.replace("client_max_body_size 1m;", "");
        check(&format!("{EDGE}\n{unsaid}\n=> request-body-limit configmap/a/conf"));
    }

    #[test]
    fn twin_a_limit_that_allows_what_fails() {
        check(&format!("{EDGE}\n{}\n=> unknown", NGINX.replace("1m", "8m")));
    }

    #[test]
    fn unknown_without_the_configuration() {
        check(&format!("{EDGE}\nmissed configmaps forbidden\n=> unknown lacks configmaps of namespace a"));
    }

    /// An application behind an ingress controller, which cuts the connection.
    const CUT: &str = "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod a/i-1  app=i  ready  calls s:80
             request hop=ingress method=POST path=/ bytes=16 status=200 seconds=0.01 upstream=s:80 pod=a/i-1 id=g at=-0.1 x30
             request hop=s method=POST path=/ bytes=16 status=200 seconds=0.005 pod=a/s-1 id=g at=-0.1 x30
             request hop=ingress method=POST path=/ bytes=3000000 status=502 seconds=0.01 upstream=s:80 pod=a/i-1 id=b at=0 x12";
    const SETTING: &str = "set deployment/a/s  spec.template.spec.containers[0].env[0].name=MAX_UPLOAD_SIZE  \
                           spec.template.spec.containers[0].env[0].value=1Mi";

    #[test]
    fn holds_for_the_setting_of_an_application_that_hangs_up() {
        check(&format!("{CUT}\n{SETTING}\n=> request-body-limit deployment/a/s"));
    }

    #[test]
    fn twin_a_number_that_limits_something_else() {
        check(&format!("{CUT}\n{}\n=> unknown", SETTING.replace("MAX_UPLOAD_SIZE", "MAX_CONNECTIONS")));
    }

    #[test]
    fn twin_small_requests_fail_as_well() {
        let all = CUT.replace("bytes=3000000", "bytes=16");
        check(&format!("{all}\n{SETTING}\n=> unknown"));
    }
}
