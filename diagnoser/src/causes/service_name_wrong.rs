//! A workload asks for a Service by a name that no Service has.
//!
//! # What it looks like
//! The pods cannot resolve one name, and every other resolves, for them and for others: the DNS answers at once, and rightly,
//! that there is no such name. It began with a rollout or a change of a setting.
//!
//! # Confirm by hand
//! The log names what was looked up; `kubectl get svc -A` has no such Service in that namespace (`NAME.NAMESPACE`, a bare name
//! is one of the pod's own namespace). `kubectl -n NS rollout history deployment NAME` may show the name it had before.
//!
//! # Fix
//! Correct the name in the setting.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, DNS for Services and Pods, "Services" and "Namespaces of Services"; Debug Services, "Does the Service work by DNS name?".

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Value;

use super::{
    Case, Cause, Finding, Lack, State, lookups,
    places::{self, Place},
    rollout,
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object},
    model::{Model, addresses_in},
    subject::Subject,
};

/// See the module's comment.
pub struct ServiceNameWrong;

impl Cause for ServiceNameWrong {
    fn id(&self) -> &'static str {
        "service-name-wrong"
    }

    fn source(&self) -> &'static str {
        include_str!("service_name_wrong.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        case.model.workloads().iter().flat_map(|workload| examine(case, workload)).collect()
    }
}

/// One finding for each name that a workload looks up in vain, or may.
fn examine(case: &Case<'_, '_>, workload: &Subject) -> Vec<Finding> {
    let model = case.model;
    let pods: Vec<&Object> = model.pods_of(workload).collect();
    let failed: Vec<lookups::Failed> = pods.iter().flat_map(|pod| lookups::failed(model, pod.subject())).collect();
    // Where nobody suffers only what holds is worth a word.
    if failed.is_empty() && !pods.iter().any(|pod| case.in_scope(pod.subject())) {
        return vec![];
    }
    let Some(pod) = model.typical_pod(workload) else { return vec![] };
    let places = places::of(model, pod);
    let mut names: BTreeSet<String> = failed.iter().filter_map(|failed| failed.name().map(str::to_owned)).collect();
    names.extend(places.iter().map(|place| place.host.clone()));
    let finding = |name: String| {
        let (namespace, service) = meant_as(model, &name, pod.namespace())?;
        if model.object(&Subject::namespaced("service", &namespace, &service)).is_some() {
            return None;
        }
        let places: Vec<&Place> = places.iter().filter(|place| place.host == name).collect();
        let told: Vec<Citation> = failed.iter().filter(|failed| failed.is_of(&name)).map(|f| f.cited.clone()).collect();
        let wrong = Wrong { name: &name, namespace: &namespace, service: &service, places, told };
        let subject = wrong.places.first().map_or(workload, |place| &place.object).clone();
        let effects = lookups::effects(model, &pods, |asked| asked == name);
        Some(Finding { subject, effects, state: state(model, workload, &pods, &wrong) })
    };
    names.into_iter().filter_map(finding).collect()
}

/// A name without a Service, and what is known of it.
struct Wrong<'a> {
    name: &'a str,
    namespace: &'a str,
    service: &'a str,
    places: Vec<&'a Place>,
    /// Where pods tell that they looked it up in vain.
    told: Vec<Citation>,
}

fn state(model: &Model<'_>, workload: &Subject, pods: &[&Object], wrong: &Wrong<'_>) -> State {
    if let Fact::Missed(why) = model.evidence.listed("service", "services") {
        return State::Undecided(vec![Lack::objects("services", Some(wrong.namespace), why)]);
    }
    if wrong.told.is_empty() {
        let lacks: Vec<Lack> = pods.iter().filter_map(|pod| lookups::lack_log(model, pod)).collect();
        return if lacks.is_empty() {
            State::excluded(format!("it tells of no look-up of {} that failed", wrong.name), wrong.cited())
        } else {
            State::Undecided(lacks)
        };
    }
    let Some((right, because)) = right(model, workload, wrong) else {
        return State::excluded(
            format!("no Service that {} could mean: one is missing, not the name wrong", wrong.name),
            wrong.cited(),
        );
    };
    let mut evidence = wrong.cited();
    evidence.extend(wrong.told.iter().take(2).cloned());
    let says = format!("no Service {} in namespace {}", wrong.service, wrong.namespace);
    evidence.push(Citation::new("objects.json", "", says));
    evidence.push(because);
    let mut patch: Vec<Change> = wrong.places.iter().map(|place| place.change(wrong.name, &right)).collect();
    if wrong.places.iter().any(|place| place.object.is("configmap")) {
        patch.extend(rollout::restart(model, workload));
    }
    let fix = Fix { summary: format!("Let {workload} ask for {right} instead of {}", wrong.name), patch };
    State::holds(evidence, fix)
}

impl Wrong<'_> {
    fn cited(&self) -> Vec<Citation> {
        self.places.iter().take(2).map(|place| place.cited.clone()).collect()
    }
}

/// The namespace and name of the Service that a host name stands for in the cluster's DNS; `None` for names of the outside.
fn meant_as(model: &Model<'_>, host: &str, own: &str) -> Option<(String, String)> {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    let valid = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if host.parse::<std::net::IpAddr>().is_ok() || !labels.iter().all(|label| valid(label)) {
        return None;
    }
    let pair = |namespace: &str, service: &str| Some((namespace.to_owned(), service.to_owned()));
    match labels[..] {
        ["localhost"] => None,
        [service] => pair(own, service),
        [service, namespace] if is_namespace(model, namespace) => pair(namespace, service),
        _ => {
            let svc = labels.iter().position(|label| *label == "svc").filter(|at| *at >= 2)?;
            pair(labels[svc - 1], labels[svc - 2])
        }
    }
}

fn is_namespace(model: &Model<'_>, name: &str) -> bool {
    let objects = &model.evidence.objects;
    objects.get(&Subject::global("namespace", name)).is_some()
        || objects.of_kind("pod").any(|pod| pod.namespace() == name)
}

/// The host name that was meant, and what shows it: one that the workload's last rollout took away, or the only Service whose
/// name or namespace is so like it that a slip explains it.
fn right(model: &Model<'_>, workload: &Subject, wrong: &Wrong<'_>) -> Option<(String, Citation)> {
    let services = model.evidence.objects.of_kind("service");
    let exists = |host: &str| {
        let meant = meant_as(model, host, workload.namespace());
        meant
            .is_some_and(|(namespace, name)| model.object(&Subject::namespaced("service", &namespace, &name)).is_some())
    };
    if let Some(earlier) = rollout::previous(model, workload) {
        let mut before: BTreeMap<String, Citation> = BTreeMap::new();
        for field in earlier.changed() {
            for text in earlier.get(&field).map(texts).unwrap_or_default() {
                let hosts =
                    addresses_in(text).map(|address| address.rsplit_once(':').map_or(address, |(host, _)| host));
                before.extend(
                    hosts
                        .filter(|host| exists(host))
                        .map(|host| (host.to_owned(), earlier.cite(&field, format!("before: {text}")))),
                );
            }
        }
        let now: BTreeSet<String> = current(model, workload);
        before.retain(|host, _| !now.contains(host));
        if before.len() == 1 {
            return before.pop_first();
        }
    }
    let mut alike: Vec<(usize, &Object)> = services
        .filter_map(|service| {
            let there = service.namespace() == wrong.namespace;
            let slips =
                if there { slips(service.name(), wrong.service) } else { usize::from(service.name() == wrong.service) };
            let same = there && slips <= 2 && 2 * slips < wrong.service.len().max(service.name().len())
                || !there && slips == 1;
            same.then_some((slips, service))
        })
        .collect();
    alike.sort_by_key(|(slips, service)| (*slips, service.subject().clone()));
    let (least, service) = *alike.first()?;
    if alike.get(1).is_some_and(|(slips, _)| *slips == least) {
        return None;
    }
    let right = if service.namespace() == wrong.namespace {
        wrong.name.replacen(wrong.service, service.name(), 1)
    } else if wrong.name.contains('.') {
        wrong.name.replacen(
            &format!("{}.{}", wrong.service, wrong.namespace),
            &format!("{}.{}", service.name(), service.namespace()),
            1,
        )
    } else {
        format!("{}.{}", service.name(), service.namespace())
    };
    Some((right, service.cite("/metadata/name", format!("{} exists", service.subject()))))
}

/// The hosts that a workload's template names now.
fn current(model: &Model<'_>, workload: &Subject) -> BTreeSet<String> {
    let template = model.object(workload).and_then(|workload| workload.get("/spec/template"));
    let addresses = template.map(texts).unwrap_or_default().into_iter().flat_map(addresses_in);
    addresses.map(|address| address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned()).collect()
}

/// Every text in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => vec![],
    }
}

/// How many letters were added, left out or changed (Levenshtein).
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::slips;
    use crate::sketch::check;

    /// `web` asks for `NAME` and does not find it.
    fn world(name: &str) -> String {
        format!(
            "service a/web  selector app=web  80 -> 80
             service a/api  selector app=api  80 -> 80
             service b/stock  selector app=stock  80 -> 80
             deployment a/web  app=web
             set deployment/a/web spec.template.spec.containers[0].env=[{{\"name\":\"UPSTREAM\",\"value\":\"http://{name}/stock\"}}]
             pod a/api-1  app=api  ready  listens 0.0.0.0:80
             pod b/stock-1  app=stock  ready  listens 0.0.0.0:80
             pod a/web-1  app=web  ready  listens 0.0.0.0:80  calls http://{name}/stock  owner deployment/a/web
             request hop=client method=GET path=/ seconds=0.02 status=502 upstream=web.a:80 pod=b/c-1 id=r at=-1 x9
             request hop=web method=GET path=/ seconds=0.01 status=502 upstream={name}:80 pod=a/web-1 id=r error=\"dns: x\" at=-1 x9\n"
        )
    }

    #[test]
    fn holds_where_the_name_is_off_by_a_letter() {
        for name in ["apis.a", "ap.a.svc.cluster.local", "apis"] {
            check(&format!("{}=> service-name-wrong deployment/a/web", world(name)));
        }
    }

    #[test]
    fn holds_where_the_namespace_is_wrong() {
        check(&format!("{}=> service-name-wrong deployment/a/web", world("stock.a")));
    }

    #[test]
    fn holds_where_the_last_rollout_took_a_good_name_away() {
        check(&format!(
            "{}earlier deployment/a/web 1 spec.containers[0].env=[{{\"name\":\"UPSTREAM\",\"value\":\"http://api.a/stock\"}}]
             => service-name-wrong deployment/a/web",
            world("catalogue.a")
        ));
    }

    const DOWN: &str = "service a/api  selector app=api  80 -> 80
         deployment a/web  app=web
         object ConfigMap a/settings data.UPSTREAM=http://apis.a/stock
         pod a/api-1  app=api  ready  listens 0.0.0.0:80
         pod a/web-1  app=web  unready  owner deployment/a/web
         set pod/a/web-1 spec.containers[0].envFrom[0].configMapRef.name=settings
         log a/web-1 dial tcp: lookup apis.a on 10.96.0.10:53: no such host";

    #[test]
    fn holds_where_the_name_stands_in_a_configmap() {
        check(&format!("{DOWN}\n=> service-name-wrong configmap/a/settings"));
    }

    #[test]
    fn holds_in_the_middle_of_a_rollout() {
        let env = "spec.containers[0].env=[{\"name\":\"UPSTREAM\",\"value\":\"http://apis.a/stock\"}]";
        let before =
            "pod a/web-0  app=web  ready  listens 0.0.0.0:80  calls http://api.a/stock  owner deployment/a/web";
        check(&format!(
            "{DOWN}
             set pod/a/web-1 spec.containers[0].envFrom=null {env}
             set deployment/a/web {}
             {before}
             => service-name-wrong deployment/a/web",
            env.replace("spec.", "spec.template.spec.")
        ));
    }

    #[test]
    fn twin_a_service_that_is_missing() {
        check(&format!("{}=> unknown", world("catalogue.a")));
    }

    #[test]
    fn twin_the_name_is_right_and_the_dns_does_not_answer() {
        check(&format!("{}=> unknown", world("api.a")));
    }

    #[test]
    fn twin_a_name_of_the_outside() {
        check(&format!("{}=> unknown", world("api.example.org")));
    }

    #[test]
    fn unknown_when_services_were_not_listed() {
        check(&format!("{DOWN}\nmissed services forbidden\n=> unknown lacks services of namespace a"));
    }

    #[test]
    fn unknown_without_the_log() {
        let quiet: String =
            world("apis.a").lines().filter(|line| !line.contains("hop=web")).map(|l| format!("{l}\n")).collect();
        check(&format!("{quiet}=> unknown lacks logs/a_web-1_c.txt"));
    }

    #[test]
    fn letters_added_left_out_or_changed() {
        assert_eq!((slips("api", "apis"), slips("api", "api"), slips("abc", "axc"), slips("", "ab")), (1, 0, 1, 2));
    }
}
