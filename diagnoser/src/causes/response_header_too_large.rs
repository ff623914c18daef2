//! An answer carries a header larger than the buffer of a proxy on its way, which answers 502 in its place.
//!
//! # What it looks like
//! 502 at once from the outer hop, while every hop behind it logged the same request as answered well. The proxy's error log
//! says that the header is too big.
//!
//! # Confirm by hand
//! The error log of the proxy: nginx "upstream sent too big header while reading response header from upstream". Ask the hop
//! behind it yourself, `curl -sD - -o /dev/null http://UPSTREAM/PATH | wc -c`, and compare with `proxy_buffer_size` (4 or 8 KiB).
//!
//! # Fix
//! Let the application send smaller headers (cookies, tokens, debug headers); where they grew with a rollout, roll back.
//! Larger buffers (`proxy_buffer_size`) are the other way, for whoever runs the proxy.
//!
//! # Who acts
//! The owner of the application.
//!
//! # Source
//! nginx.org, ngx_http_proxy_module, "proxy_buffer_size"; nginx src/http/ngx_http_upstream.c; Go net/http, MaxResponseHeaderBytes.

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, Lack, State,
    exchange::{self, Complaint},
    rollout,
};
use crate::{evidence::Fact, model::Model, propagation::Mode, subject::Subject, symptoms::Symptom};

/// See the module's comment.
pub struct ResponseHeaderTooLarge;

/// How proxies and clients of HTTP say it: nginx, Go, hyper, Node.js.
const PHRASES: [&str; 4] = [
    "upstream sent too big header",
    "server response headers exceeded",
    "message head is too large",
    "hpe_header_overflow",
];

impl Cause for ResponseHeaderTooLarge {
    fn id(&self) -> &'static str {
        "response-header-too-large"
    }

    fn source(&self) -> &'static str {
        include_str!("response_header_too_large.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        exchange::of_each(case, examine)
    }
}

fn examine(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    let Some(complaint) = exchange::complaint(model, symptom, &PHRASES) else { return silent(model, symptom) };
    let proxy = complaint.line.record.pod()?;
    // Any hop behind may have written the header; the one that was rolled out last before it began did.
    let behind = behind(model, &complaint);
    let proxy_changed = exchange::rolled_out(model, &model.workload_of(&proxy));
    let mut rolled: Vec<(jiff::Timestamp, &Subject)> =
        behind.iter().filter_map(|workload| Some((exchange::rolled_out(model, workload)?, workload))).collect();
    rolled.sort();
    let last = rolled.last().filter(|(time, _)| proxy_changed.is_none_or(|changed| changed < *time));
    let subject = last.map(|(_, workload)| (*workload).clone());
    let (subject, state) = match subject {
        Some(workload) => {
            let (fix, rollout) = rollout::back(model, &workload, "", |_| true);
            let answered = complaint.hops.iter().rev().find(|hop| {
                hop.record.succeeded() && hop.record.pod().is_some_and(|pod| model.workload_of(&pod) == workload)
            });
            let evidence = [complaint.evidence.clone(), complaint.line.cite()];
            let evidence = evidence.into_iter().chain(answered.map(exchange::Line::cite)).chain(rollout).collect();
            (workload, State::holds(evidence, fix))
        }
        None => (behind.iter().next()?.clone(), State::Undecided(lacks(model, &behind))),
    };
    Some(Finding { subject, effects: vec![(proxy, Mode::Errors)], state })
}

/// The workloads of the hops behind the one that complains, which answered well.
fn behind(model: &Model<'_>, complaint: &Complaint<'_>) -> BTreeSet<Subject> {
    let inner = complaint.hops.iter().filter(|hop| hop.record.succeeded());
    let seen: BTreeSet<Subject> = inner.filter_map(|hop| hop.record.pod()).map(|pod| model.workload_of(&pod)).collect();
    if !seen.is_empty() {
        return seen;
    }
    exchange::pods_behind(model, complaint.line.record).iter().map(|pod| model.workload_of(pod)).collect()
}

/// What would tell who wrote the header.
fn lacks(model: &Model<'_>, behind: &BTreeSet<Subject>) -> Vec<Lack> {
    let kinds = [("replicaset", "replicasets"), ("controllerrevision", "controllerrevisions")];
    let unlisted = kinds.into_iter().filter_map(|(kind, resource)| match model.evidence.listed(kind, resource) {
        Fact::Missed(why) => Some(Lack::objects(resource, None, why)),
        Fact::Seen(()) => None,
    });
    let lacks: Vec<Lack> = unlisted.collect();
    if !lacks.is_empty() {
        return lacks;
    }
    let all: Vec<String> = behind.iter().map(ToString::to_string).collect();
    vec![Lack {
        what: format!("the headers that {} answer", all.join(", ")),
        why: "none of them was rolled out lately".to_owned(),
        how: "curl -sD - -o /dev/null http://POD-IP:PORT/PATH | wc -c   for each".to_owned(),
        request: None,
    }]
}

/// A hop that answers an error in place of a good answer and whose log nobody collected.
fn silent(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    let hops = exchange::failing(model, symptom).into_iter().next()?;
    let last = hops.iter().rposition(|hop| hop.record.failed())?;
    let (maker, inner) = (hops[last], hops.get(last + 1).filter(|hop| hop.record.succeeded())?);
    if maker.record.status != Some(502) || maker.record.error.is_some() {
        return None;
    }
    let proxy = maker.record.pod()?;
    let state = match exchange::lack_log(model, &proxy) {
        Some(lack) => State::Undecided(vec![lack]),
        None => State::excluded("the log of who answers the error says nothing of it", vec![maker.cite()]),
    };
    let subject = model.workload_of(&inner.record.pod()?);
    Some(Finding { subject, effects: vec![(proxy, Mode::Errors)], state })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/p  selector app=p  80 -> 80
             pod a/p-1  app=p  ready  listens 0.0.0.0:80  owner deployment/a/p
             service a/w  selector app=w  80 -> 80
             deployment a/w  app=w
             pod a/w-1  app=w  ready  listens 0.0.0.0:80  owner deployment/a/w
             service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod a/c-1  app=c  ready
             request hop=client method=GET path=/ status=502 seconds=0.02 upstream=p.a:80 pod=a/c-1 id=r x10
             request hop=edge method=GET path=/ status=502 seconds=0.02 upstream=w.a:80 pod=a/p-1 id=r x10
             request hop=w method=GET path=/ status=200 seconds=0.01 upstream=s.a:80 pod=a/w-1 id=r x10
             request hop=s method=GET path=/ status=200 seconds=0.001 pod=a/s-1 id=r x10";
    const SAYS: &str = "log a/p-1 2026/01/01 12:00:00 [error] 7#7: *1 upstream sent too big header while reading response header from upstream, client: 10.244.0.9";

    #[test]
    fn holds_where_one_hop_behind_was_rolled_out() {
        check(&format!(
            "{WORLD}\n{SAYS}\nearlier deployment/a/w 1  spec.containers[0].image=x\n=> response-header-too-large deployment/a/w"
        ));
        check(&format!(
            "{WORLD}\n{SAYS}\nearlier deployment/a/s 1  spec.containers[0].image=x\n=> response-header-too-large deployment/a/s"
        ));
    }

    #[test]
    fn twin_an_answer_that_is_no_http() {
        check(&format!(
            "{WORLD}\nlog a/p-1 [error] 7#7: *1 upstream sent no valid HTTP/1.0 header while reading response header from upstream
             => malformed-response deployment/a/w"
        ));
    }

    #[test]
    fn unknown_without_the_log_of_the_proxy_or_what_changed() {
        check(&format!(
            "{WORLD}\nearlier deployment/a/w 1  spec.containers[0].image=x\n=> unknown lacks logs/a_p-1_c.txt"
        ));
        check(&format!("{WORLD}\n{SAYS}\nmissed replicasets forbidden\n=> unknown lacks replicasets"));
        check(&format!("{WORLD}\n{SAYS}\n=> unknown"));
    }
}
