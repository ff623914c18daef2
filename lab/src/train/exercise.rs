//! One exercise: a recording, what the diagnoser makes of it, and its place in the course.

use diagnoser::{Diagnosis, Evidence};
use serde_json::Value;

use super::{
    course::{Course, Lesson},
    subjects::Subjects,
};
use crate::{
    LabError,
    events::Stamped,
    recording::Recording,
    replay::{self, Files, NOT_RECORDED},
    root::Root,
    scenario::{self, PLACES, Placement, ProbeSymptom, Scenario, Symptom, Truth, World},
    variant,
};

/// What a trainee works on. It knows the truth; what it shows before the debrief does not.
#[derive(Debug)]
pub struct Exercise {
    /// Its place in the course.
    pub lesson: Lesson,
    /// How many lessons there are.
    pub of: usize,
    /// Which variant; 0 is as it was recorded.
    pub seed: u64,
    /// What system it is: the title of its world.
    pub system: String,
    /// The scenario, in the names of the evidence.
    pub scenario: Scenario,
    /// What somebody complains of, in the names of the evidence.
    pub(super) complaint: Symptom,
    /// What happened in the run.
    pub history: Vec<Stamped>,
    /// What it was made with, and when.
    pub made_with: String,
    /// The evidence folder: file to text.
    pub files: Files,
    /// The same, read.
    pub evidence: Evidence,
    /// What the diagnoser makes of it: an expert's way.
    pub diagnosis: Diagnosis,
    /// Everything that an answer can name.
    pub(super) subjects: Subjects,
    /// The kinds of the objects, in the order of the file.
    kinds: Vec<String>,
}

impl Exercise {
    /// Reads the recording of a lesson, makes a variant of it where `seed` is not 0, and diagnoses it.
    ///
    /// # Errors
    /// When the scenario is unknown, it has no recording, or that does not parse.
    pub fn load(root: &Root, course: &Course, name: &str, seed: u64) -> Result<Self, LabError> {
        Self::of(root, course, Recording::of(root, &course.find(name)?.name)?, seed)
    }

    /// The same of a run that was just made.
    ///
    /// # Errors
    /// When the scenario is not of the course, or the evidence does not parse.
    pub fn of(root: &Root, course: &Course, recorded: Recording, seed: u64) -> Result<Self, LabError> {
        let lesson = course.find(&recorded.scenario.name)?.clone();
        let complaint = match &recorded.scenario.symptom {
            Symptom::None => placed(&lesson.complaint, &recorded, root)?,
            seen => seen.clone(),
        };
        let complaint = variant::renaming(&recorded.evidence, seed).symptom(complaint);
        let made_with = recorded.made_with();
        let Recording { scenario, history, evidence: files, .. } = variant::of(recorded, seed);
        let diagnosis = replay::diagnose(files.clone(), NOT_RECORDED)?;
        let evidence = Evidence::from_files(&files)?;
        let roots = match &scenario.truth {
            Truth::Healthy => &[][..],
            Truth::Roots(roots) => roots,
        };
        let subjects = Subjects::of(&files, &evidence, &diagnosis, roots.iter().map(|root| &root.subject));
        Ok(Self {
            of: course.lessons.len(),
            seed,
            system: World::load(root, &scenario.world, &Placement::number(0))?.title,
            kinds: kinds(&files),
            lesson,
            scenario,
            complaint,
            history,
            made_with,
            files,
            evidence,
            diagnosis,
            subjects,
        })
    }

    /// The kind of the object that a pointer into `objects.json` leads to.
    pub(super) fn kind_at(&self, pointer: &str) -> Option<String> {
        let index: usize = pointer.strip_prefix("/items/")?.split('/').next()?.parse().ok()?;
        Some(self.kinds.get(index)?.to_lowercase())
    }

    /// The roots of the truth; none where nothing is wrong.
    pub fn roots(&self) -> &[scenario::Root] {
        match &self.scenario.truth {
            Truth::Healthy => &[],
            Truth::Roots(roots) => roots,
        }
    }
}

/// Where the names stand that somebody asked for; a cluster's own settings tell of every place.
const ASKED: [&str; 2] = ["probes.json", "traffic.jsonl"];

/// A complaint in the names of the place where a recording was made.
fn placed(complaint: &Symptom, recorded: &Recording, root: &Root) -> Result<Symptom, LabError> {
    let Symptom::Probe(probe) = complaint else { return Ok(complaint.clone()) };
    for place in (0..PLACES).map(Placement::number) {
        let url = World::load(root, &recorded.scenario.world, &place)?.moved(&probe.url);
        let host = url.split(['/', '@', ':', ',', '?']).find(|part| part.contains('.')).unwrap_or_default();
        if ASKED.iter().filter_map(|file| recorded.evidence.get(*file)).any(|text| text.contains(host)) {
            return Ok(Symptom::Probe(ProbeSymptom { url, ..probe.clone() }));
        }
    }
    Ok(complaint.clone())
}

fn kinds(files: &Files) -> Vec<String> {
    let list: Value = files.get("objects.json").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let kinds = list["items"].as_array().into_iter().flatten();
    kinds.map(|object| object["kind"].as_str().unwrap_or_default().to_owned()).collect()
}
