//! An application answers with something that is no HTTP, and the hop before it answers 502 in its place.
//!
//! # What it looks like
//! 502 at once. The connection was made and bytes came back: nothing was refused, reset or waited for. The hop in front says
//! that it cannot read the answer; readiness checks of another path may well succeed.
//!
//! # Confirm by hand
//! The log of the hop in front: nginx "upstream sent no valid HTTP/1.0 header", Go "malformed HTTP response", hyper "invalid HTTP
//! version parsed". `kubectl -n NS exec CALLER -- sh -c 'printf "GET /PATH HTTP/1.0\r\n\r\n" | nc SERVICE PORT | xxd | head'`
//! shows what comes back.
//!
//! # Fix
//! Let the application speak HTTP there; where that began with a rollout, roll back (`kubectl rollout undo`).
//!
//! # Who acts
//! The owner of the application.
//!
//! # Source
//! RFC 9112, section 4 (status line); nginx src/http/modules/ngx_http_proxy_module.c; Go net/http readResponse; hyper src/error.rs.

use super::{Case, Cause, Finding, Proof, State, exchange, rollout};
use crate::{model::Model, propagation::Mode, symptoms::Symptom};

/// See the module's comment.
pub struct MalformedResponse;

/// How clients of HTTP say that an answer is none: hyper, Go, nginx, Node.js, Python, curl.
const PHRASES: [&str; 11] = [
    "invalid http version parsed",
    "invalid http header parsed",
    "invalid http status-code parsed",
    "malformed http response",
    "malformed http version",
    "malformed http status code",
    "upstream sent no valid http/",
    "upstream sent invalid header",
    "parse error: expected http/",
    "badstatusline",
    "received http/0.9 when not allowed",
];

impl Cause for MalformedResponse {
    fn id(&self) -> &'static str {
        "malformed-response"
    }

    fn source(&self) -> &'static str {
        include_str!("malformed_response.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        exchange::of_each(case, examine)
    }
}

fn examine(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    let complaint = exchange::complaint(model, symptom, &PHRASES);
    let line = match &complaint {
        Some(complaint) => complaint.line,
        None => exchange::maker(model, symptom).filter(|line| matches!(line.record.status, Some(500 | 502)))?,
    };
    let (workload, pods) = exchange::workload(model, &exchange::pods_behind(model, line.record))?;
    let state = match complaint {
        Some(complaint) => {
            let (fix, before) = rollout::back(model, &workload, format!("Let {workload} answer HTTP"), |_| true);
            let reached =
                complaint.hops.iter().rev().find(|hop| hop.record.pod().is_some_and(|pod| pods.contains(&pod)));
            let evidence = [complaint.evidence].into_iter().chain(reached.map(exchange::Line::cite)).chain(before);
            State::Holds(Box::new(Proof { evidence: evidence.collect(), fix, wants: vec![], changed: None }))
        }
        None => match line.record.pod().and_then(|pod| exchange::lack_log(model, &pod)) {
            Some(lack) if line.record.error.is_none() => State::Undecided(vec![lack]),
            _ => State::excluded("who asked it complains of something else", vec![line.cite()]),
        },
    };
    let effects = pods.into_iter().map(|pod| (pod, Mode::Broken)).collect();
    Some(Finding { subject: workload, effects, state })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/w  selector app=w  80 -> 80
             pod a/w-1  app=w  ready  listens 0.0.0.0:80  owner deployment/a/w
             service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod a/c-1  app=c  ready
             request hop=client method=GET path=/ status=502 seconds=0.02 upstream=w.a:80 pod=a/c-1 id=r x10";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nrequest hop=w method=GET path=/ status=502 seconds=0.01 upstream=s.a:80 pod=a/w-1 id=r error=\"failed: invalid HTTP version parsed\" x10
             => malformed-response deployment/a/s"
        ));
    }

    #[test]
    fn holds_by_the_error_log_of_a_proxy_and_though_the_application_logs_it_too() {
        check(&format!(
            "{WORLD}\nrequest hop=w method=GET path=/ status=502 seconds=0.01 upstream=s.a:80 pod=a/w-1 id=r x10
             request hop=s method=GET path=/ seconds=0 pod=a/s-1 id=r error=\"failed: x\" x10
             log a/w-1 2026/01/01 12:00:00 [error] 7#7: *1 upstream sent no valid HTTP/1.0 header while reading response header from upstream
             => malformed-response deployment/a/s"
        ));
    }

    #[test]
    fn holds_once_for_several_kinds_of_request() {
        let hop = "request hop=w method=GET path=/ status=502 seconds=0.01 upstream=s.a:80 pod=a/w-1 id=r error=\"failed: invalid HTTP version parsed\" x10";
        let of_both = |text: &str| format!("{text}\n{}", text.replace("GET", "POST").replace("id=r", "id=p"));
        let client = WORLD.lines().last().unwrap_or_default();
        check(&format!(
            "{WORLD}\n{}\n{}\n=> malformed-response deployment/a/s",
            client.replace("GET", "POST").replace("id=r", "id=p"),
            of_both(hop)
        ));
    }

    #[test]
    fn twin_an_answer_cut_off_by_a_reset() {
        check(&format!(
            "{WORLD}\nrequest hop=w method=GET path=/ status=502 seconds=0.01 upstream=s.a:80 pod=a/w-1 id=r error=\"reset: connection reset by peer\" x10
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_the_words_of_who_asked() {
        check(&format!(
            "{WORLD}\nrequest hop=w method=GET path=/ status=502 seconds=0.01 upstream=s.a:80 pod=a/w-1 id=r x10
             log a/s-1 a request
             => unknown lacks logs/a_w-1_c.txt"
        ));
    }
}
