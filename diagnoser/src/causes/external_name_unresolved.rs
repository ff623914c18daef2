//! A Service stands for a name of the outside (`type: ExternalName`) that does not exist.
//!
//! # What it looks like
//! Whoever asks for the Service by its name hears at once that there is no such name, though the Service is there; every other name
//! resolves. It has no endpoints and no pods, which is as it should be: the DNS answers with the other name alone.
//!
//! # Confirm by hand
//! `kubectl -n NS get svc NAME -o jsonpath={.spec.externalName}`, and `nslookup THAT-NAME` in a pod: NXDOMAIN. Of a name that ends in
//! `svc.cluster.local` the Service must exist.
//!
//! # Fix
//! Correct `spec.externalName`, or have the name made by whoever runs its zone.
//!
//! # Who acts
//! The owner of the Service.
//!
//! # Source
//! kubernetes.io, Service, "type: ExternalName"; RFC 1034 section 3.6.2 (CNAME).

use super::{Case, Cause, Finding, Lack, State, lookups};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact, Object, Outcome, Target},
    model::{Model, is_down},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct ExternalNameUnresolved;

impl Cause for ExternalNameUnresolved {
    fn id(&self) -> &'static str {
        "external-name-unresolved"
    }

    fn source(&self) -> &'static str {
        include_str!("external_name_unresolved.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let services = case.model.evidence.objects.of_kind("service");
        let external = services.filter_map(|service| Some((service, service.text("/spec/externalName")?)));
        external.filter_map(|(service, to)| examine(case.model, service, to)).collect()
    }
}

fn examine(model: &Model<'_>, service: &Object, to: &str) -> Option<Finding> {
    let own = |name: &str, near: &str| model.resolve(name, Some(near)).as_ref() == Some(service.subject());
    let same = |name: &str| name.trim_end_matches('.') == to.trim_end_matches('.');
    let probes = model.evidence.probes.iter().enumerate().filter(|(_, probe)| match probe.target() {
        Target::Object(subject, _) => subject == *service.subject(),
        target => target.host().is_some_and(|host| own(&host, "") || same(&host)),
    });
    let (mut not_found, mut found): (Vec<Citation>, Vec<Citation>) = (vec![], vec![]);
    let mut in_vain = false;
    for (index, probe) in probes {
        match probe.outcome {
            Outcome::NameNotFound => not_found.push(probe.cite(index)),
            // Silence says nothing of the name; whatever else came was told by somebody who was found.
            Outcome::Timeout | Outcome::Failed => in_vain = true,
            _ => found.push(probe.cite(index)),
        }
    }
    let pods = model.evidence.objects.of_kind("pod");
    let telling: Vec<(&Object, Citation)> = pods
        .filter_map(|pod| {
            let failed = lookups::failed(model, pod.subject());
            let of_this = |failed: &lookups::Failed| failed.is_like(|name| own(name, pod.namespace()) || same(name));
            // Who finds no other name either asks in vain whatever this one is.
            let alone = failed.iter().all(of_this);
            Some((pod, failed.into_iter().next_back().filter(|_| alone)?.cited))
        })
        .collect();
    let cited = service.cite("/spec/externalName", format!("stands for {to}"));
    let state = if let Some(found) = found.pop() {
        State::excluded("its name is found", vec![found])
    } else if let Some(absent) = absent(model, to) {
        let told = not_found.into_iter().chain(telling.iter().map(|(_, cited)| cited.clone()));
        State::holds([cited, absent].into_iter().chain(told).take(4).collect(), fix(service, to))
    } else if !not_found.is_empty() || telling.iter().any(|(_, cited)| says_no(&cited.says)) {
        let told = not_found.into_iter().chain(telling.iter().map(|(_, cited)| cited.clone()));
        State::holds(std::iter::once(cited).chain(told).take(4).collect(), fix(service, to))
    } else if telling.is_empty() && !in_vain {
        return None;
    } else {
        let why = "the name's servers may have been silent".to_owned();
        State::Undecided(vec![Lack {
            what: format!("a look-up of {to}"),
            why,
            how: format!("nslookup {to}"),
            request: None,
        }])
    };
    // Who tries a Service by a name that leads nowhere hears so, or waits.
    let mut effects = [Mode::Unresolved, Mode::Silent].map(|mode| (service.subject().clone(), mode)).to_vec();
    for (pod, _) in telling {
        effects.push((pod.subject().clone(), Mode::Errors));
        effects.extend(is_down(pod).then(|| (pod.subject().clone(), Mode::Down)));
    }
    effects.extend(names(model, service, to).into_iter().map(|name| (name, Mode::Unresolved)));
    Some(Finding { subject: service.subject().clone(), effects, state })
}

/// The names by which it was asked for.
fn names(model: &Model<'_>, service: &Object, to: &str) -> Vec<Subject> {
    let asked = model.evidence.probes.iter().filter_map(|probe| probe.target().host());
    let of = asked.filter(|host| host == to || model.resolve(host, None).as_ref() == Some(service.subject()));
    of.map(|host| Subject::global("name", &host)).collect()
}

/// That a name of the cluster's own is of no Service.
fn absent(model: &Model<'_>, to: &str) -> Option<Citation> {
    let labels: Vec<&str> = to.trim_end_matches('.').split('.').collect();
    let [name, namespace, "svc", ..] = labels[..] else { return None };
    let Fact::Seen(()) = model.evidence.listed("service", "services") else { return None };
    let known = model.object(&Subject::namespaced("service", namespace, name)).is_some();
    (!known).then(|| Citation::new("objects.json", "", format!("there is no Service {name} in namespace {namespace}")))
}

/// Whether a server said that there is no such name, as against silence (gai_strerror(3): EAI_NONAME is not EAI_AGAIN).
fn says_no(line: &str) -> bool {
    [
        "no such host",
        "Name or service not known",
        "Name does not resolve",
        "ENOTFOUND",
        "NXDOMAIN",
        "UnknownHostException",
    ]
    .iter()
    .any(|words| line.contains(words))
}

fn fix(service: &Object, to: &str) -> Fix {
    Fix { summary: format!("Let {} stand for a name that exists instead of {to}", service.subject()), patch: vec![] }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    fn world(to: &str, told: &str) -> String {
        format!(
            "object Service a/db  spec.type=ExternalName  spec.externalName={to}
             service a/web  selector app=web  80 -> 80
             deployment a/web  app=web
             pod a/web-1  app=web  unready  owner deployment/a/web
             set pod/a/web-1  status.containerStatuses[0].state.waiting.reason=CrashLoopBackOff
             log a/web-1  {told}\n"
        )
    }
    const NO: &str = "dial tcp: lookup db.a on 10.96.0.10:53: no such host";

    #[test]
    fn holds_for_a_name_that_nobody_has() {
        check(&format!("{}=> external-name-unresolved service/a/db", world("db.example.org", NO)));
        check(&format!(
            "{}=> external-name-unresolved service/a/db",
            world("pg.b.svc.cluster.local", "UnknownHostException: db")
        ));
        let probe = "probe dns://db.a  name-not-found in 2ms";
        check(&format!("{}{probe}\n=> external-name-unresolved service/a/db", world("db.example.org", "x")));
    }

    #[test]
    fn twins_it_is_found_and_another_name_is_not() {
        let found = "probe service/a/db:5432  refused in 1ms";
        check(&format!("{}{found}\n=> unknown", world("db.example.org", NO)));
        let other = NO.replace("db.a", "cache.a");
        check(&format!("{}=> unknown", world("db.example.org", &other)));
    }

    #[test]
    fn unknown_where_nobody_answered() {
        let silent = "lookup db.a on 10.96.0.10:53: read udp: i/o timeout";
        check(&format!("{}=> unknown lacks a look-up of db.example.org", world("db.example.org", silent)));
        let tried = "probe service/a/db:5432  failed in 1ms";
        check(&format!("{}{tried}\n=> unknown lacks a look-up of db.example.org", world("db.example.org", "x")));
    }
}
