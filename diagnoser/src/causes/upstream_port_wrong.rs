//! A workload is told to reach a Service on a port that it does not have, and others reach it on the one it has.
//!
//! # What it looks like
//! Connections of one workload fail, in time-outs or refusals by what answers for Services there; it answers errors, or ends
//! and is started again. The Service, its pods and everybody else are well. It began with a rollout or a change of a setting.
//!
//! # Confirm by hand
//! The log names the address; `kubectl -n NS get svc NAME` has another port. `kubectl -n NS exec` a connection to the port that
//! it has.
//!
//! # Fix
//! Correct the port in the setting.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Service, "Port definitions"; Debug Services.

use super::{
    Case, Cause, Finding, State,
    asked_ports::{self, Asked},
    containers, databases, rollout,
};
use crate::{diagnosis::Fix, model::Model};

/// See the module's comment.
pub struct UpstreamPortWrong;

impl Cause for UpstreamPortWrong {
    fn id(&self) -> &'static str {
        "upstream-port-wrong"
    }

    fn source(&self) -> &'static str {
        include_str!("upstream_port_wrong.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let all = case.asked_ports();
        let wrong = all.iter().filter(|asked| !asked.has && !is_of_a_database(model, asked));
        let finding = |asked: &Asked<'_>| Finding {
            subject: asked.place.object.clone(),
            effects: asked_ports::effects(model, asked),
            state: state(model, all, asked),
        };
        wrong.map(finding).collect()
    }
}

/// Databases have a cause of their own, with what their drivers tell.
fn is_of_a_database(model: &Model<'_>, asked: &Asked<'_>) -> bool {
    databases::of(model, asked.pod).iter().any(|database| database.service == *asked.service.subject())
}

fn state(model: &Model<'_>, all: &[Asked<'_>], asked: &Asked<'_>) -> State {
    if let Some(lacks) = asked_ports::service_lacks(model, all, asked) {
        return State::excluded(format!("it is {} that lacks the port", asked.service.subject()), vec![lacks]);
    }
    let known = [asked.place.cited.clone(), asked_ports::cite(asked.service)];
    let pods: Vec<_> = model.pods_of(&asked.workload).collect();
    let host = asked.place.host.as_str();
    let Some(told) = asked_ports::told(model, asked) else {
        let silent = pods.iter().find(|pod| model.evidence.logs.of(pod.subject()).is_empty());
        return match silent {
            Some(pod) => State::Undecided(vec![containers::lack_log(pod)]),
            None => State::excluded("its log tells of no connection to it that could not be made", known.to_vec()),
        };
    };
    let evidence = known.into_iter().chain([told]).collect();
    let (workload, name) = (&asked.workload, asked.service.subject());
    let fix = match asked_ports::ports(asked.service)[..] {
        [right] => {
            let change = asked.place.change(&format!("{host}:{}", asked.port), &format!("{host}:{right}"));
            let again =
                asked.place.object.is("configmap").then(|| rollout::restart(model, workload)).into_iter().flatten();
            let summary = format!("Let {workload} reach {name} on port {right} instead of {}", asked.port);
            Fix { summary, patch: std::iter::once(change).chain(again).collect() }
        }
        _ => Fix { summary: format!("Correct the port by which {workload} is to reach {name}"), patch: vec![] },
    };
    State::holds(evidence, fix)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `web` is told to reach `api` on this port, `other` as well where it is named.
    fn world(port: u16, other: &str) -> String {
        let other =
            if other.is_empty() { String::new() } else { format!("pod a/other-1  app=other  ready  calls {other}\n") };
        format!(
            "service a/api  selector app=api  80 -> 8080
             pod a/api-1  app=api  ready  listens 0.0.0.0:8080  declares 8080
             deployment a/web  app=web
             set deployment/a/web  spec.template.spec.containers[0].env=[{{\"name\":\"UPSTREAM\",\"value\":\"api:{port}\"}}]
             pod a/web-1  app=web  unready  calls api:{port}  owner deployment/a/web
             set pod/a/web-1  status.containerStatuses[0].state={{\"waiting\":{{\"reason\":\"CrashLoopBackOff\"}}}}
             {other}"
        )
    }

    const REFUSED: &str = "log a/web-1  dial tcp: api:81: connect: connection refused";

    #[test]
    fn holds_where_the_service_is_consistent_or_others_reach_it() {
        check(&format!("{}\n{REFUSED}\n=> upstream-port-wrong deployment/a/web", world(81, "")));
        check(&format!("{}\n{REFUSED}\n=> upstream-port-wrong deployment/a/web", world(81, "api:80")));
    }

    #[test]
    fn holds_where_nothing_ends_and_only_the_log_tells() {
        let runs = world(81, "")
            .replace("unready", "ready")
            .replace("{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}", "{\"running\":{}}");
        let probe = "probe service/a/api:80  connected in 1ms";
        check(&format!("{runs}\n{REFUSED}\n{REFUSED}\n{probe}\n=> upstream-port-wrong deployment/a/web"));
        check(&format!("{runs}\n{REFUSED}\n{probe}\n=> healthy"));
    }

    #[test]
    fn twin_the_service_lacks_the_port_that_all_ask_for() {
        let told = REFUSED.replace("81", "8080");
        check(&format!("{}\n{told}\n=> service-port-missing service/a/api", world(8080, "api:8080")));
    }

    #[test]
    fn twin_it_fails_for_another_reason() {
        check(&format!("{}\nlog a/web-1  bad option\n=> unknown", world(81, "")));
    }

    #[test]
    fn unknown_without_the_log() {
        check(&format!("{}\n=> unknown lacks logs/a_web-1_*.txt", world(81, "")));
    }
}
