//! An answer against the truth, and of a wrong one what it is instead: the symptom, a distractor, the right hop. Nothing that
//! is said of a wrong answer names the cause.

use diagnoser::{Subject, diagnosis::Hop};
use serde::Serialize;

use super::{Claim, Exercise};
use crate::scenario;

/// What a claim is to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// A root: cause and object.
    Root,
    /// The right cause in another object.
    RightCause,
    /// The right object, for another cause.
    RightObject,
    /// It was looked at, and a reading rules it out.
    RuledOut,
    /// True, and nobody suffers from it.
    Noise,
    /// Where the failing requests end, and not what ends them.
    RightHop,
    /// What suffers: the symptom.
    Symptom,
    /// On the way of the failing requests.
    OnTheWay,
    /// Nothing is wrong, and this was said to be.
    FalseAlarm,
    /// Something is wrong, and nothing was said to be.
    Missed,
    /// Nothing links it to the symptom.
    NotInvolved,
}

impl Relation {
    /// Whether it is half the answer.
    pub fn is_near(self) -> bool {
        matches!(self, Self::RightCause | Self::RightObject | Self::RightHop)
    }
}

/// What is said of one claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// What was claimed; nothing where the answer was "healthy".
    pub claim: Option<Claim>,
    /// What it is to the truth.
    pub relation: Relation,
    /// In words.
    pub says: String,
}

/// What is said of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// Whether it is the truth, the whole of it, and nothing else.
    pub exact: bool,
    /// Of each claim.
    pub remarks: Vec<Remark>,
    /// Whether all that was claimed is right and something was left out.
    pub incomplete: bool,
}

impl Judgement {
    /// Judges claims; none of them claim that nothing is wrong.
    pub(super) fn of(claims: &[Claim], exercise: &Exercise) -> Self {
        let roots = exercise.roots();
        let remarks: Vec<Remark> = if claims.is_empty() {
            vec![healthy(exercise)]
        } else {
            claims.iter().map(|claim| remark(claim, exercise)).collect()
        };
        let right = remarks.iter().all(|remark| remark.relation == Relation::Root);
        let found = |root: &scenario::Root| {
            claims.iter().any(|claim| claim.cause == root.cause && is_same(&claim.subject, &root.subject, exercise))
        };
        let exact = right && roots.iter().all(found);
        Self { exact, incomplete: right && !exact, remarks }
    }

    /// Whether it is wrong and near.
    pub fn is_near(&self) -> bool {
        self.incomplete || self.remarks.iter().any(|remark| remark.relation.is_near())
    }
}

fn healthy(exercise: &Exercise) -> Remark {
    if exercise.roots().is_empty() {
        return Remark {
            claim: None,
            relation: Relation::Root,
            says: "Right: nobody suffers from anything.".to_owned(),
        };
    }
    let says = match exercise.diagnosis.symptoms.first() {
        Some(symptom) => format!("Somebody does suffer. {}: {}.", symptom.subject, symptom.says),
        None => "Somebody does suffer: see what the pager says.".to_owned(),
    };
    Remark { claim: None, relation: Relation::Missed, says }
}

fn remark(claim: &Claim, exercise: &Exercise) -> Remark {
    let relation = relation(claim, exercise);
    let says = says(claim, relation, exercise);
    Remark { claim: Some(claim.clone()), relation, says }
}

fn relation(claim: &Claim, exercise: &Exercise) -> Relation {
    let roots = exercise.roots();
    let diagnosis = &exercise.diagnosis;
    let same = |subject: &Subject| is_same(&claim.subject, subject, exercise);
    let touches = |subject: &Subject| same(subject) || owners(subject, exercise).contains(&claim.subject);
    if roots.iter().any(|root| root.cause == claim.cause && same(&root.subject)) {
        Relation::Root
    } else if diagnosis.noise.iter().any(|noise| noise.cause == claim.cause && noise.subject == claim.subject) {
        Relation::Noise
    } else if roots.is_empty() {
        Relation::FalseAlarm
    } else if roots.iter().any(|root| root.cause == claim.cause) {
        Relation::RightCause
    } else if roots.iter().any(|root| same(&root.subject)) {
        Relation::RightObject
    } else if ends_at(&diagnosis.path, touches) {
        Relation::RightHop
    } else if diagnosis.symptoms.iter().any(|symptom| touches(&symptom.subject)) {
        Relation::Symptom
    } else if why_not(claim, exercise).is_some() {
        Relation::RuledOut
    } else if diagnosis.path.iter().any(|hop| hop.subjects.iter().any(touches)) {
        Relation::OnTheWay
    } else {
        Relation::NotInvolved
    }
}

/// Whether two subjects are one for this purpose: the same, or a workload and a pod that it makes. Where the truth is a
/// pod, its workload is not: its siblings are well.
fn is_same(claimed: &Subject, truth: &Subject, exercise: &Exercise) -> bool {
    claimed == truth || !truth.is("pod") && owners(claimed, exercise).contains(truth)
}

/// The workloads that make a pod, nearest first.
pub(super) fn owners(subject: &Subject, exercise: &Exercise) -> Vec<Subject> {
    /// Pod, ReplicaSet, Deployment; Job, CronJob.
    const DEEPEST: usize = 3;
    let mut owners = Vec::new();
    let mut at = subject.clone();
    while let Some(owner) = exercise.evidence.objects.get(&at).and_then(|object| object.controller())
        && owners.len() < DEEPEST
    {
        at = owner.clone();
        owners.push(at.clone());
    }
    owners
}

/// Whether the failing requests end between a hop of such an object and the next.
fn ends_at(path: &[Hop], is_it: impl Fn(&Subject) -> bool) -> bool {
    let broken = path.iter().position(|hop| hop.broken_after);
    broken.is_some_and(|at| path[at..].iter().take(2).any(|hop| hop.subjects.iter().any(&is_it)))
}

/// The reading that rules a claim out, where it was looked at. What speaks against another cause in the very object of the root
/// may tell the root.
fn why_not<'a>(claim: &Claim, exercise: &'a Exercise) -> Option<&'a str> {
    let meant = |subject: &Subject| *subject == claim.subject || owners(subject, exercise).contains(&claim.subject);
    let mut ruled_out = exercise.diagnosis.root_causes.iter().flat_map(|root| &root.ruled_out);
    let found = ruled_out.find(|ruled| ruled.cause == claim.cause && meant(&ruled.subject))?;
    let tells = |root: &scenario::Root| meant(&root.subject) || found.because.contains(&root.cause);
    (!exercise.roots().iter().any(tells)).then_some(found.because.as_str())
}

fn says(claim: &Claim, relation: Relation, exercise: &Exercise) -> String {
    let Claim { cause, subject } = claim;
    let reading =
        why_not(claim, exercise).map(|because| format!(" What speaks against {cause}: {because}.")).unwrap_or_default();
    match relation {
        Relation::Root => "Right.".to_owned(),
        Relation::RightCause => {
            format!("That is what is wrong, and not with {subject}. Whose own reading shows it?")
        }
        Relation::RightObject => format!("{subject} it is, and something else is wrong with it.{reading}"),
        Relation::RuledOut => format!("Not that.{reading}"),
        Relation::Noise => {
            let why = exercise.diagnosis.noise.iter().find(|noise| noise.cause == *cause && noise.subject == *subject);
            let why = why.map(|noise| noise.why.as_str()).unwrap_or_default();
            format!("That is so, and nobody suffers from it ({why}). Explain what the pager says.")
        }
        Relation::RightHop => format!("The failing requests do end there, and {subject} is not why.{reading}"),
        Relation::Symptom => format!("That is the symptom: {subject} suffers from something else.{reading}"),
        Relation::OnTheWay => format!("{subject} is on the way of the failing requests and does its part.{reading}"),
        Relation::FalseAlarm => "Who suffers from it now? Show one request that still fails because of it.".to_owned(),
        Relation::Missed => String::new(),
        Relation::NotInvolved => format!("Nothing links {cause} in {subject} to what the pager says."),
    }
}
