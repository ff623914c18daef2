//! `lab diagnose --probe`: attempts made from a pod of the lab's own in a cluster of the user's, which is removed again.
//!
//! Reading order: `plan` (what is tried, and what is not and why; pure), `pod` (the pod that tries it; pure), `tried` (what it
//! wrote, as probes; pure), `run` (creates it, waits, reads, removes). What may not enter: any other change of the cluster.

mod plan;
mod pod;
mod role;
mod run;
mod tried;

use diagnoser::{Diagnosis, Subject};
use serde_json::{Value, json};

pub use pod::IMAGE;
pub use role::role;
pub use run::run;

use crate::{
    LabError,
    collect::{as_list, lines, pretty},
    replay::Files,
};

/// The namespace that a diagnosis points to: of what suffers, or of what is suspected.
pub fn namespace_of(diagnosis: &Diagnosis) -> Option<&str> {
    let symptoms = diagnosis.symptoms.iter().map(|symptom| &symptom.subject);
    let roots = diagnosis.root_causes.iter().map(|root| &root.subject);
    let candidates = diagnosis.candidates.iter().map(|candidate| &candidate.subject);
    let noise = diagnosis.noise.iter().map(|noise| &noise.subject);
    let subjects = roots.chain(candidates).chain(symptoms).chain(noise);
    subjects.map(Subject::namespace).find(|namespace| !namespace.is_empty())
}

/// What a pod tried, put among the evidence: its probes, the pod itself (whose settings say what it connects to), and what was
/// not tried and why.
///
/// # Errors
/// When the evidence does not parse.
fn add(files: &mut Files, pod: Option<Value>, probes: &[Value], missed: &[(String, String)]) -> Result<(), LabError> {
    let read = |files: &Files, name: &str, without: Value| match files.get(name) {
        Some(text) => serde_json::from_str::<Value>(text).map_err(|error| LabError::BadInput {
            place: format!("{name}:{}:{}", error.line(), error.column()),
            what: error.to_string(),
            next: "This is a bug of the collector; please report it.".to_owned(),
        }),
        None => Ok(without),
    };
    if let Some(pod) = pod {
        let mut objects = read(files, "objects.json", json!({"items": []}))?;
        let mut items = objects["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        items.push(pod);
        files.insert("objects.json".to_owned(), as_list(&items));
    }
    if !probes.is_empty() {
        files.insert("probes.json".to_owned(), lines(probes));
    }
    let mut coverage = read(files, "coverage.json", json!({"missed": []}))?;
    if let Some(all) = coverage["missed"].as_array_mut() {
        all.extend(missed.iter().map(|(what, why)| json!({"what": what, "why": why})));
    }
    files.insert("coverage.json".to_owned(), pretty(&coverage));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use diagnoser::Evidence;

    use super::{plan::Attempt, *};
    use crate::{recording::Recording, replay};

    /// The objects of a recording as one would read them, and what a pod in the namespace of the fault would see: every attempt
    /// succeeds but those that `fails` says, which come to what it says.
    fn probed(recording: &str, fails: impl Fn(&Attempt) -> Option<&'static str>) -> Diagnosis {
        let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let folder = Path::new(&package).join("../recordings").join(recording);
        let recorded = Recording::load(&folder).expect("a recording").evidence;
        let mut files: Files = ["objects.json", "coverage.json", "changes.json"]
            .iter()
            .map(|name| ((*name).to_owned(), recorded[*name].clone()))
            .collect();
        let before = replay::diagnose(files.clone(), "not here").expect("evidence");
        let namespace = namespace_of(&before).expect("something is suspected").to_owned();
        let evidence = Evidence::from_files(&files).expect("evidence");
        let of = |plan: &plan::Plan| pod::manifest(&namespace, "probe-1", IMAGE, plan);
        let plan = plan::plan(&evidence, &namespace, &pod::as_object(&of(&plan::Plan::default())));
        let log: String = plan
            .attempts
            .iter()
            .map(|attempt| {
                let (what, well) = match attempt {
                    Attempt::Tcp { target, address, port } => (format!("tcp {target} {address}:{port}"), "0 "),
                    Attempt::Dns { name } => (format!("dns {name} -"), "0 status: NOERROR x. 5 IN A 10.96.0.1"),
                    Attempt::Http { address, port } => {
                        (format!("http http://{address}:{port}/ {address}:{port}"), "0 200")
                    }
                };
                format!("2030-01-01T00:00:00Z attempt {what} 1.00 1.01 {}\n", fails(attempt).unwrap_or(well))
            })
            .collect();
        let mut pod = of(&plan);
        pod["status"] = json!({"phase": "Succeeded"});
        let probes = tried::probes(&log, &Subject::namespaced("pod", &namespace, "probe-1"));
        assert_eq!(probes.len(), plan.attempts.len());
        add(&mut files, Some(pod), &probes, &plan.skipped).expect("evidence");
        replay::diagnose(files, "not here").expect("evidence")
    }

    #[test]
    fn what_objects_leave_open_the_probes_decide() {
        let web = |attempt: &Attempt| match attempt {
            Attempt::Tcp { target, .. } if target.starts_with("service/") && target.contains("/web:") => {
                Some("1 REFUSED")
            }
            _ => None,
        };
        let diagnosis = probed("port-mismatch", web);
        let roots: Vec<String> =
            diagnosis.roots().iter().map(|(cause, subject)| format!("{cause} {}", subject.name)).collect();
        assert_eq!(roots, ["service-port-mismatch web"], "{diagnosis:#?}");
    }

    #[test]
    fn where_all_goes_well_nobody_is_blamed() {
        let diagnosis = probed("port-mismatch", |_| None);
        assert_eq!(diagnosis.roots(), [], "{diagnosis:#?}");
    }
}
