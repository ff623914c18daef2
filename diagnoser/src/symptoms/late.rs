//! Workloads that were measured to become late, or to serve nothing any more, where no request is on record that tells; and what a
//! monitoring system raised, where nothing else tells of anybody who suffers.

use super::{Observation, Scope, Symptom};
use crate::{
    delays,
    evidence::{Citation, Outcome},
    model::Model,
    subject::Subject,
};

/// One symptom for each workload whose requests became late.
pub(super) fn measured(model: &Model<'_>) -> Vec<Symptom> {
    let mut found = Vec::new();
    let busy = delays::saturated(model);
    for measured in delays::measured(model) {
        // By a little counts where there is a reason for it.
        let reason = measured.throttled.is_some() || busy.iter().any(|node| measured.nodes.contains(node.as_str()));
        let little = measured.strained.filter(|_| reason);
        let rise = measured.median.or(measured.tail).or(measured.slower).or(little);
        if rise.is_none() && measured.stopped.is_none() {
            continue;
        }
        let Some(cited) = measured.cite(model).or_else(|| measured.cite_strained(model)) else { continue };
        found.push(Symptom {
            user: measured.is_late(),
            ..symptom(
                "late",
                found.len(),
                measured.subject(),
                Observation::Slow(rise.map_or(0.0, |rise| rise.since / 1000.0)),
                cited,
            )
        });
    }
    found
}

fn is_of_lateness(says: &str) -> bool {
    let lower = says.to_ascii_lowercase();
    ["latency", "slow", "response time", "duration"].iter().any(|word| lower.contains(word))
}

/// One symptom for each alert about answers that fail, or are late.
pub(super) fn raised(model: &Model<'_>) -> Vec<Symptom> {
    let mut found = Vec::new();
    let unmeasured = model.evidence.metrics.entities().next().is_none();
    for alert in &model.evidence.alerts {
        let seen = match alert.status {
            Some(status) =>
            // A server's error may be that of any hop on the way.
            {
                if status >= 500 {
                    Observation::Failed(Outcome::Failed)
                } else {
                    Observation::Status(status, None)
                }
            }
            // Measurements that were collected tell it themselves, or that it is not so.
            None if unmeasured && is_of_lateness(&alert.says) => Observation::Slow(0.0),
            None => continue,
        };
        let mut named = model.evidence.objects.of_kind("service").filter(|service| service.name() == alert.entity);
        let subject = match (named.next(), named.next()) {
            (Some(service), None) => service.subject().clone(),
            _ => Subject::global("name", &alert.entity),
        };
        found.push(symptom("alert", found.len(), &subject, seen, alert.cited.clone()));
    }
    found
}

fn symptom(kind: &str, before: usize, subject: &Subject, seen: Observation, cited: Citation) -> Symptom {
    Symptom {
        id: format!("{kind}-{}", before + 1),
        subject: subject.clone(),
        seen,
        says: format!("{subject}: {}", cited.says),
        since: None,
        evidence: vec![cited],
        scope: Scope::Everything,
        origin: None,
        user: false,
        connection: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WELL: &str = "service a/web  selector app=web  80 -> 80
        deployment a/web  app=web
        pod a/web-1  app=web  ready  listens 0.0.0.0:80  owner deployment/a/web
        probe service/a/web:80  connected in 1ms";

    #[test]
    fn what_became_late_is_not_healthy() {
        let table = |values: &str| {
            let rows: Vec<String> =
                values.split(' ').enumerate().map(|(row, value)| format!("{row},{value},{value}")).collect();
            format!("{WELL}\nfile metrics.csv | time,web-p50latency,web-p90latency | {}", rows.join(" | "))
        };
        check(&format!("{}\n=> unknown", table("5 5 5 5 900 900 900 900 5")));
        check(&format!("{}\n=> healthy", table("5 5 5 5 900 5 5 5 5")));
    }

    #[test]
    fn what_fails_by_an_alert_is_not_healthy() {
        let alert = r#"file alerts.json | [{"entry_service":"web","raw_error":"Error('STATUS x')"}]"#;
        check(&format!("{WELL}\n{}\n=> unknown", alert.replace("STATUS", "503")));
        check(&format!("{WELL}\n{}\n=> healthy", alert.replace("STATUS", "a")));
        let late = r#"file alerts.json | [{"entity_name":"web","evidence":["p50latency: 5ms -> 900ms"]}]"#;
        check(&format!("{WELL}\n{late}\n=> unknown"));
        check(&format!("{WELL}\n{late}\nfile metrics.csv | time,web-p50latency | 1,5 | 2,5\n=> healthy"));
    }
}
