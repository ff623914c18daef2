//! A proxy allows fewer requests than there are, and refuses the rest on purpose.
//!
//! # What it looks like
//! Part of the requests fail at once with 429 (nginx by default: 503), of every kind alike, while others pass. The proxy
//! logs the refused ones and sends them nowhere.
//!
//! # Confirm by hand
//! The proxy's access log shows 429 with an empty upstream, its error log `limiting requests, excess: ...`.
//! `kubectl -n NS exec POD -- nginx -T | grep -n limit_req` shows the limit; compare it with the requests a second.
//!
//! # Fix
//! Raise the limit (rate and burst) above what clients rightly send, or have them send less.
//!
//! # Who acts
//! Whoever runs the proxy, together with the owner of the clients.
//!
//! # Source
//! nginx.org, ngx_http_limit_req_module: "limit_req_zone", "limit_req", "limit_req_status" (503 by default).

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, Proof, State, nginx,
    own_config::{File, files},
    route_fault::lack_traffic,
    served::{Word, word},
};
use crate::{
    diagnosis::Fix,
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::{Observation, Symptom},
};

/// See the module's comment.
pub struct RateLimited;

impl Cause for RateLimited {
    fn id(&self) -> &'static str {
        "rate-limited"
    }

    fn source(&self) -> &'static str {
        include_str!("rate_limited.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        case.symptoms.iter().filter_map(|symptom| examine(case.model, symptom)).collect()
    }
}

fn examine(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    let asked = symptom.asked()?;
    let Observation::Status(status @ (429 | 503), _) = symptom.seen else { return None };
    // A refusal is an answer at once, whichever status it has.
    let effects = vec![(asked.subject(), Mode::Rejects), (asked.subject(), Mode::RelaysEmpty)];
    let finding = |subject: Subject, state| Some(Finding { subject, effects, state });
    let name = asked.name();
    let (cited, pods) = match word(model, symptom) {
        Word::Edge(cited, pods) | Word::Controller(cited, pods) => (cited, pods),
        Word::Nobody(why) if status == 429 => return finding(name, State::Undecided(vec![lack_traffic(why)])),
        _ => return finding(name, State::excluded("no proxy answers it by itself", symptom.evidence.clone())),
    };
    let configured = match files(model, &pods) {
        Ok(configured) => configured,
        Err(lacks) => return finding(name, State::Undecided(lacks)),
    };
    let Some((file, limit)) = configured.into_iter().find_map(|file| Some((file, limit(file, status)?))) else {
        return finding(name, State::excluded("no limit stands in the proxy's configuration", vec![cited]));
    };
    let seen = requests_a_second(model, &pods);
    if let Some(seen) = seen
        && seen <= limit.rate
    {
        let says = format!("{seen:.1} requests a second are within the limit of {}", limit.written);
        return finding(name, State::excluded(says, vec![cited]));
    }
    let subject = file.map.subject().clone();
    let told = seen.map_or_else(String::new, |seen| format!("; {seen:.1} requests a second come"));
    let evidence = vec![cited, file.cite(limit.zone.0, format!("at most {}{told}", limit.written))];
    let raised = (seen.unwrap_or(limit.rate) * 4.0).ceil().max(10.0);
    let summary =
        format!("Raise the limit of {subject} from {} to {raised}r/s, and start the proxy anew", limit.written);
    let patch = file.change(model, limit.raised(file, raised), &pods);
    let proof = Proof { evidence, fix: Fix { summary, patch }, wants: vec![], changed: None };
    finding(subject, State::Holds(Box::new(proof)))
}

/// A limit in a configuration.
struct Limit {
    /// Requests a second.
    rate: f64,
    /// `1r/s`.
    written: String,
    /// Where its zone stands.
    zone: (usize, usize),
    /// Where it is applied, and whether with a burst.
    used: Vec<(usize, usize, bool)>,
}

/// The limit that refuses with this status, where there is one.
fn limit(file: File<'_>, status: u16) -> Option<Limit> {
    let directives = nginx::parse(file.text);
    let refuses = nginx::all(&directives, "limit_req_status").last().and_then(|d| d.words.get(1)?.parse().ok());
    if refuses.unwrap_or(503) != status {
        return None;
    }
    let zones = nginx::all(&directives, "limit_req_zone");
    zones.into_iter().find_map(|zone| {
        let name = zone.argument("zone")?.split(':').next()?;
        let used: Vec<(usize, usize, bool)> = nginx::all(&directives, "limit_req")
            .into_iter()
            .filter(|used| used.argument("zone") == Some(name))
            .map(|used| (used.start, used.end, used.argument("burst").is_some()))
            .collect();
        let written = zone.argument("rate")?;
        let (number, a_second) = match written.strip_suffix("r/s") {
            Some(number) => (number, 1.0),
            None => (written.strip_suffix("r/m")?, 60.0),
        };
        let rate = number.parse::<f64>().ok()? / a_second;
        (!used.is_empty()).then(|| Limit { rate, written: written.to_owned(), zone: (zone.start, zone.end), used })
    })
}

impl Limit {
    /// The file with a higher rate, and room for requests that come together.
    fn raised(&self, file: File<'_>, rate: f64) -> String {
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        let zone = &file.text[self.zone.0..self.zone.1];
        let raised = zone.replace(&format!("rate={}", self.written), &format!("rate={rate}r/s"));
        edits.push((self.zone.0, self.zone.1, raised));
        for (start, end, burst) in &self.used {
            if !burst {
                let used = file.text[*start..*end].trim_end_matches(';');
                edits.push((*start, *end, format!("{used} burst={rate} nodelay;")));
            }
        }
        // From the end, so that the places before stay right.
        edits.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
        let mut text = file.text.to_owned();
        for (start, end, by) in edits {
            text.replace_range(start..end, &by);
        }
        text
    }
}

/// How many requests a second these pods log, over the last of them.
fn requests_a_second(model: &Model<'_>, pods: &BTreeSet<Subject>) -> Option<f64> {
    const LAST: usize = 100;
    let logged = model.evidence.traffic.iter().filter(|record| record.pod().is_some_and(|pod| pods.contains(&pod)));
    let mut times: Vec<jiff::Timestamp> = logged.filter_map(|record| record.time).collect();
    times.sort_unstable();
    let last = &times[times.len().saturating_sub(LAST)..];
    let span = last.last()?.duration_since(*last.first()?).as_secs_f64();
    (span > 0.0).then(|| (last.len() - 1) as f64 / span)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "deployment e/edge  app=edge
         pod e/edge-1  app=edge  ready  owner deployment/e/edge
         set pod/e/edge-1  spec.volumes[0].configMap.name=edge
         pod c/c-1  app=c  ready
         request hop=client method=GET path=/ status=200 upstream=shop.test:80 pod=c/c-1 id=o at=-0.1 x6
         request hop=edge method=GET path=/ status=200 upstream=10.9.9.9:80 pod=e/edge-1 id=o at=-0.1 x6
         request hop=client method=GET path=/ status=429 upstream=shop.test:80 pod=c/c-1 id=r x6
         request hop=edge method=GET path=/ status=429 pod=e/edge-1 id=r x6";

    const LIMIT: &str = "object ConfigMap e/edge  data.edge~conf=\"limit_req_zone $x zone=a:1m rate=1r/s; limit_req_status 429; server { limit_req zone=a; proxy_pass http://x; }\"";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{LIMIT}\n=> rate-limited configmap/e/edge"));
    }

    #[test]
    fn twin_the_limit_is_high_enough() {
        check(&format!("{WORLD}\n{}\n=> unknown", LIMIT.replace("1r/s", "100r/s")));
    }

    #[test]
    fn twin_a_limit_that_is_not_applied() {
        check(&format!("{WORLD}\n{}\n=> unknown", LIMIT.replace("limit_req zone=a;", "")));
    }

    #[test]
    fn twin_somebody_behind_refuses() {
        check(&format!(
            "{}\n{LIMIT}\n=> unknown",
            WORLD.replace("status=429 pod=e/edge-1", "status=429 upstream=10.9.9.9:80 pod=e/edge-1")
        ));
    }

    #[test]
    fn unknown_without_the_configuration() {
        check(&format!("{WORLD}\nmissed configmaps forbidden\n=> unknown lacks configmaps of namespace e"));
    }
}
