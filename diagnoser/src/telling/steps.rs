//! The six steps: observe, correlate, narrow down, replicate, root cause, fix and verify.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    connections,
    diagnosis::{Diagnosis, Step, Verdict},
    evidence::{Outcome, ProbeKind},
    model::{Model, is_ready},
    narrowing::Narrowed,
    symptoms::{Observation, Symptom, event_time, outermost},
};

/// The transcript.
pub(super) fn steps(
    model: &Model<'_>,
    symptoms: &[Symptom],
    narrowed: &[Option<Narrowed>],
    diagnosis: &Diagnosis,
) -> Vec<Step> {
    let mut steps = vec![observe(model, symptoms)];
    if !symptoms.is_empty() {
        steps.extend([correlate(model, symptoms, diagnosis), narrow(model, symptoms, narrowed)]);
        steps.extend(replicate(model));
    }
    steps.push(conclude(diagnosis));
    for root in &diagnosis.root_causes {
        steps.push(step("fix", 4, "What restores health?", root.fix.summary.clone()));
    }
    steps
}

fn step(step: &str, level: u8, asked: &str, answer: String) -> Step {
    Step { step: step.to_owned(), level, asked: asked.to_owned(), answer }
}

fn observe(model: &Model<'_>, symptoms: &[Symptom]) -> Step {
    let nodes: Vec<_> = model.evidence.objects.of_kind("node").collect();
    let pods: Vec<_> =
        model.evidence.objects.of_kind("pod").filter(|pod| pod.text("/status/phase") != Some("Succeeded")).collect();
    let mut says = Vec::new();
    let requests = outermost(model);
    if !requests.is_empty() {
        let failed = requests.iter().filter(|(_, record)| record.failed()).count();
        // A failure that has ended is told as one: a system may stumble while it starts.
        let mut latest: Vec<_> = requests.iter().map(|(_, record)| (record.time, record.failed())).collect();
        latest.sort_unstable();
        let since = latest.iter().rev().take_while(|(_, failed)| !failed).count();
        let ended =
            if symptoms.is_empty() && failed > 0 { format!(", none of the last {since}") } else { String::new() };
        says.push(format!("{failed} of {} requests failed{ended}", requests.len()));
    }
    if !nodes.is_empty() {
        says.push(format!("{} of {} nodes ready", nodes.iter().filter(|node| is_ready(node)).count(), nodes.len()));
    }
    if !pods.is_empty() {
        says.push(format!("{} of {} pods ready", pods.iter().filter(|pod| is_ready(pod)).count(), pods.len()));
    }
    if symptoms.is_empty() {
        says.push("nothing that anyone asked for fails".to_owned());
    }
    step(
        "observe",
        1,
        "What is wrong, for whom?",
        if says.is_empty() { "nothing was observed".to_owned() } else { says.join("; ") },
    )
}

/// What changed shortly before the onset. Shown, never trusted alone.
fn correlate(model: &Model<'_>, symptoms: &[Symptom], diagnosis: &Diagnosis) -> Step {
    const ASKED: &str = "Since when, and what changed before?";
    let Some(onset) = symptoms
        .iter()
        .filter(|s| s.user)
        .filter_map(|s| s.since)
        .min()
        .or_else(|| symptoms.iter().filter_map(|s| s.since).min())
    else {
        return step("correlate", 2, ASKED, "the evidence has no time of onset".to_owned());
    };
    // Fifteen seconds on either side of the onset: clocks of hops and API server are not one.
    let near = |time: &jiff::Timestamp| onset.duration_since(*time).as_secs().abs() <= 15;
    let mut changes: BTreeMap<jiff::Timestamp, BTreeSet<String>> = BTreeMap::new();
    for change in model.evidence.changes.iter().filter(|change| near(&change.time)) {
        let fields = if change.fields.is_empty() { String::new() } else { format!(" ({})", change.fields.join(", ")) };
        changes.entry(change.time).or_default().insert(format!("{} changed{fields}", change.object));
    }
    for object in ["networkpolicy", "pod"].into_iter().flat_map(|kind| model.evidence.objects.of_kind(kind)) {
        if let Some(time) = object.time("/metadata/creationTimestamp").filter(near) {
            changes.entry(time).or_default().insert(format!("{} was made", object.subject()));
        }
    }
    for slice in model.evidence.objects.of_kind("endpointslice") {
        let time = slice.time("/metadata/annotations/endpoints.kubernetes.io~1last-change-trigger-time");
        if let (Some(time), Some(service)) = (time.filter(near), slice.labels().get("kubernetes.io/service-name")) {
            changes
                .entry(time)
                .or_default()
                .insert(format!("the endpoints of service/{}/{service} changed", slice.namespace()));
        }
    }
    for event in model.evidence.objects.of_kind("event") {
        let reason = event.text("/reason").unwrap_or_default();
        if matches!(reason, "ScalingReplicaSet" | "Killing" | "SuccessfulCreate" | "NodeNotReady")
            && let (Some(time), Some(subject)) = (event_time(event).filter(near), event.regarding())
        {
            changes.entry(time).or_default().insert(format!("{reason} on {subject}"));
        }
    }
    let mut near: Vec<(i64, &String)> = changes
        .iter()
        .flat_map(|(time, what)| what.iter().map(move |what| (onset.duration_since(*time).as_secs(), what)))
        .collect();
    let roots: Vec<String> = diagnosis.root_causes.iter().map(|root| root.subject.to_string()).collect();
    near.sort_by_key(|(seconds, what)| (!roots.iter().any(|root| what.contains(root)), seconds.abs(), (*what).clone()));
    let told: Vec<String> = near
        .iter()
        .take(3)
        .map(|(seconds, what)| match seconds {
            0 => format!("{what} at that moment"),
            s if *s > 0 => format!("{what} {s} s before"),
            s => format!("{what} {} s after", -s),
        })
        .collect();
    let changed = if told.is_empty() { "no change is on record near it".to_owned() } else { told.join("; ") };
    step("correlate", 2, ASKED, format!("since {}: {changed}", onset.strftime("%H:%M:%SZ")))
}

fn narrow(model: &Model<'_>, symptoms: &[Symptom], narrowed: &[Option<Narrowed>]) -> Step {
    const ASKED: &str = "Which requests, and how far do they get?";
    let Some(symptom) =
        symptoms.iter().find(|s| s.user && s.origin.is_some()).or_else(|| symptoms.iter().find(|s| s.user))
    else {
        let what: Vec<String> = symptoms.iter().take(3).map(|s| s.says.clone()).collect();
        return step("narrow", 3, ASKED, format!("no failing request is on record; {}", what.join("; ")));
    };
    let kinds = outermost(model).iter().map(|(_, record)| record.what()).collect::<BTreeSet<_>>().len();
    let affected = symptoms.iter().filter(|s| s.is_of_requests()).count();
    let verb = if matches!(symptom.seen, Observation::Slow(_)) { "are late" } else { "fail" };
    let which = if kinds > 0 { format!("{affected} of {kinds} kinds of request {verb}; ") } else { String::new() };
    let by_way = || {
        let ways = connections::find(model, symptom.connection.as_ref()?)?.ways()?;
        Some(match ways.fault() {
            Some((_, end)) => {
                format!("their way ends at {}: {}", end.host().unwrap_or("a place not known"), end.says())
            }
            None => "the way there and back is open, as far as is known".to_owned(),
        })
    };
    let place = symptom.origin.as_ref().filter(|_| symptom.connection.is_none()).map_or_else(
        || by_way().unwrap_or_else(|| "no hop's log tells where they end".to_owned()),
        |origin| {
            let to: Vec<&str> = origin.upstreams.iter().map(String::as_str).take(3).collect();
            let to = if to.is_empty() { String::new() } else { format!(" on the way to {}", to.join(", ")) };
            format!("they end at {}{to}", origin.hop)
        },
    );
    let manner = match symptom.at_its_origin() {
        Observation::Status(_, Some(seconds)) if seconds < 1.0 => "; at once, so nobody waited for the network",
        Observation::Failed(Outcome::Timeout) => "; in silence, so nothing alive answered",
        Observation::Failed(Outcome::Refused) => "; at once, by something alive",
        _ => "",
    };
    let same = symptoms.iter().zip(narrowed).find(|(other, _)| other.id == symptom.id);
    let scope = same.and_then(|(_, narrowed)| narrowed.as_ref()).map(separated).unwrap_or_default();
    step("narrow", 3, ASKED, format!("{which}{scope}{place}{manner}"))
}

/// What the failing requests have in common that others have not; nothing to say where all fail.
fn separated(narrowed: &Narrowed) -> String {
    match &narrowed.scope {
        Some(scope) => {
            let ((failed, inside), (others, outside)) = (scope.inside, scope.outside);
            format!("{}: {failed} of {inside} fail there, {others} of {outside} elsewhere; ", scope.says())
        }
        None if narrowed.failed > 0 && narrowed.passed > 0 => {
            format!("nothing separates the {} that fail from the {} that do not; ", narrowed.failed, narrowed.passed)
        }
        None => String::new(),
    }
}

/// Connections tried by the prober, where any failed.
fn replicate(model: &Model<'_>) -> Option<Step> {
    let tcp: Vec<_> = model.evidence.probes.iter().filter(|probe| probe.kind == ProbeKind::Tcp).collect();
    let mut failed: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for probe in tcp.iter().filter(|probe| probe.failed()) {
        let from = probe.from.as_ref().map_or_else(|| "the prober".to_owned(), |from| from.name.to_string());
        failed.entry((probe.target.clone(), probe.outcome.to_string())).or_default().insert(from);
    }
    if tcp.is_empty() {
        return None;
    }
    let mut told: Vec<String> = failed
        .iter()
        .take(3)
        .map(|((target, outcome), from)| format!("{target} {outcome} from {} places", from.len()))
        .collect();
    if failed.len() > 3 {
        told.push(format!("{} more", failed.len() - 3));
    }
    let answer =
        if told.is_empty() { format!("all {} connections tried were made", tcp.len()) } else { told.join("; ") };
    Some(step("replicate", 3, "Does it fail when tried by hand, from where?", answer))
}

fn conclude(diagnosis: &Diagnosis) -> Step {
    const ASKED: &str = "What is the root cause?";
    let answer = match diagnosis.verdict {
        Verdict::Confirmed => {
            let roots: Vec<String> =
                diagnosis.root_causes.iter().map(|r| format!("{} in {}", r.cause, r.subject)).collect();
            roots.join("; ")
        }
        Verdict::Healthy => "none: nothing is wrong".to_owned(),
        Verdict::Unknown => {
            let lacks: Vec<&str> = diagnosis.missing.iter().map(|missing| missing.what.as_str()).collect();
            if lacks.is_empty() {
                "unknown: no cause known here explains it".to_owned()
            } else {
                format!("unknown without {}", lacks.join(", "))
            }
        }
    };
    step("root-cause", 4, ASKED, answer)
}
