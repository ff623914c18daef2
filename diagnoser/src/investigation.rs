//! The whole method in one place: model, symptoms, candidates, prediction, choice, asking, telling.
//!
//! An investigation does no I/O. It says which readings it wants; whoever drives it answers from a live system or from a
//! recording, until there is an answer. The answer depends on the evidence alone, never on the order in which it came.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    causes::{self, Case, Finding, Lack, Proof, State},
    choice::{self, Choice, Holding},
    diagnosis::{Candidate, Diagnosis, FORMAT, Missing, Next, Noise, RootCause, RuledOut, SymptomSeen, Verdict},
    evidence::{Citation, Evidence, EvidenceError, Fact, Probe},
    model::Model,
    narrowing::{self, Narrowed},
    propagation::{Mode, behind, fitting},
    request::{Reading, Request},
    subject::Subject,
    symptoms::{Symptom, symptoms},
    telling,
};

/// A diagnosis under way: what is known, and what has been asked for already.
pub struct Investigation {
    files: BTreeMap<String, String>,
    evidence: Evidence,
    asked: BTreeSet<Request>,
    refused: BTreeMap<String, String>,
    /// What the evidence comes to as it is; kept while nothing is added to it.
    seen: Option<Seen>,
}

/// What the evidence comes to.
struct Seen {
    /// The readings that would make it surer.
    wanted: BTreeSet<Request>,
    /// The answer without them; why they are missing is added at the end.
    diagnosis: Diagnosis,
    /// The files that the missing readings would be in.
    files: Vec<Option<String>>,
}

/// A cause that was looked at in one subject.
struct Looked {
    cause: &'static dyn causes::Cause,
    finding: Finding,
    explains: BTreeSet<usize>,
}

impl Investigation {
    /// Starts from what was collected: evidence files by name.
    ///
    /// # Errors
    /// When a file does not parse; the error names file, line and column.
    pub fn new(files: BTreeMap<String, String>) -> Result<Self, EvidenceError> {
        let evidence = Evidence::from_files(&files)?;
        Ok(Self { files, evidence, asked: BTreeSet::new(), refused: BTreeMap::new(), seen: None })
    }

    /// The evidence files as they are now, answers included.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// The evidence files, answers included.
    pub fn into_files(self) -> BTreeMap<String, String> {
        self.files
    }

    /// Adds the files that answer a request (a file that exists already is replaced).
    ///
    /// # Errors
    /// When a file does not parse.
    pub fn answer(&mut self, request: &Request, mut files: BTreeMap<String, String>) -> Result<(), EvidenceError> {
        if let Reading::Objects { resource, .. } = &request.reading {
            let known = files.get(COVERAGE).or(self.files.get(COVERAGE));
            files.insert(COVERAGE.to_owned(), now_listed(known, resource));
        }
        for (name, text) in files {
            if self.files.get(&name) != Some(&text) {
                self.evidence.take(&name, &text)?;
                self.files.insert(name, text);
            }
        }
        self.seen = None;
        self.asked.insert(request.clone());
        Ok(())
    }

    /// Records that a reading cannot be had.
    pub fn missed(&mut self, request: &Request, why: &str) {
        self.asked.insert(request.clone());
        self.refused.insert(request.file.clone(), why.to_owned());
    }

    /// The next step: readings wanted, or the answer.
    pub fn proceed(&mut self) -> Next {
        let seen = self.seen.take().unwrap_or_else(|| see(&Model::new(&self.evidence)));
        let wanted: Vec<Request> =
            seen.wanted.iter().filter(|request| !self.asked.contains(request)).cloned().collect();
        if !wanted.is_empty() {
            self.seen = Some(seen);
            return Next::Ask(wanted);
        }
        let Seen { mut diagnosis, files, .. } = seen;
        for (missing, file) in diagnosis.missing.iter_mut().zip(files) {
            if let Some(why) = file.and_then(|file| self.refused.get(&file)) {
                missing.why.clone_from(why);
            }
        }
        Next::Done(Box::new(diagnosis))
    }

    /// What was observed, answers included.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

/// Looks, predicts, chooses and tells.
fn see(model: &Model<'_>) -> Seen {
    let symptoms = symptoms(model);
    let narrowed = narrowing::of(model, &symptoms);
    let looked = look(&Case::new(model, &symptoms, &narrowed));
    let wanted = wanted(&looked, &symptoms);
    let (diagnosis, files) = conclude(model, &symptoms, &narrowed, looked);
    Seen { wanted, diagnosis, files }
}

/// The requests that could decide between causes of symptoms no proven cause explains, or that would make a proof direct.
fn wanted(looked: &[Looked], symptoms: &[Symptom]) -> BTreeSet<Request> {
    let explained: BTreeSet<usize> = looked
        .iter()
        .filter(|l| matches!(l.finding.state, State::Holds(_)))
        .flat_map(|l| l.explains.iter().copied())
        .collect();
    let open: BTreeSet<usize> = (0..symptoms.len()).filter(|symptom| !explained.contains(symptom)).collect();
    let lacks = looked.iter().filter(|l| !l.explains.is_empty()).flat_map(|l| match &l.finding.state {
        State::Holds(proof) => proof.wants.as_slice(),
        State::Undecided(lacks) if !l.explains.is_disjoint(&open) => lacks.as_slice(),
        _ => &[],
    });
    lacks.filter_map(|lack| lack.request.clone()).collect()
}

/// The answer, and the files that the readings would be in that it misses.
fn conclude(
    model: &Model<'_>,
    symptoms: &[Symptom],
    narrowed: &[Option<Narrowed>],
    looked: Vec<Looked>,
) -> (Diagnosis, Vec<Option<String>>) {
    let onset = symptoms.iter().filter_map(|symptom| symptom.since).min();
    let holding: Vec<Holding> = looked.iter().filter_map(|looked| holding(model, looked)).collect();
    let explained: BTreeSet<usize> = holding.iter().flat_map(|h| h.explains.iter().copied()).collect();
    let users_explained = (0..symptoms.len()).filter(|i| symptoms[*i].user).all(|i| explained.contains(&i));
    let chosen = match choice::choose(&holding, onset) {
        Choice::Roots(roots) if users_explained => roots,
        _ => Vec::new(),
    };
    let verdict = if !chosen.is_empty() {
        Verdict::Confirmed
    } else if symptoms.is_empty() && unseen(model.evidence).is_empty() {
        Verdict::Healthy
    } else {
        Verdict::Unknown
    };
    let open: BTreeSet<usize> = (0..symptoms.len()).filter(|i| !explained.contains(i)).collect();
    let excluded = excluded(&looked);
    let root_causes: Vec<RootCause> = chosen
        .iter()
        .map(|&index| {
            let root = &holding[index];
            RootCause {
                cause: root.cause.to_owned(),
                subject: root.subject.clone(),
                owner: root.owner.to_owned(),
                evidence: once(&root.proof.evidence),
                explains: root.explains.iter().map(|&i| symptoms[i].id.clone()).collect(),
                ruled_out: ruled_out(&excluded, &root.explains),
                fix: root.proof.fix.clone(),
            }
        })
        .collect();
    let (candidates, missing) = if verdict == Verdict::Unknown {
        undecided(model.evidence, &looked, &holding, symptoms, &open)
    } else {
        (Vec::new(), Vec::new())
    };
    let (missing, files) = missing.into_iter().unzip();
    let mut diagnosis = Diagnosis {
        format: FORMAT,
        verdict,
        noise: noise(&holding, &chosen, verdict),
        root_causes,
        candidates,
        missing,
        symptoms: symptoms.iter().map(told).collect(),
        path: vec![],
        steps: vec![],
    };
    telling::tell(model, symptoms, narrowed, &mut diagnosis);
    (diagnosis, files)
}

/// What could still be the cause, and the readings that would decide, each with the file it would be in.
fn undecided(
    evidence: &Evidence,
    looked: &[Looked],
    holding: &[Holding],
    symptoms: &[Symptom],
    open: &BTreeSet<usize>,
) -> (Vec<Candidate>, Vec<(Missing, Option<String>)>) {
    let ids = |explains: &BTreeSet<usize>| explains.iter().map(|&i| symptoms[i].id.clone()).collect();
    let mut candidates: Vec<Candidate> = holding
        .iter()
        .filter(|h| !h.explains.is_empty())
        .map(|h| Candidate {
            cause: h.cause.to_owned(),
            subject: h.subject.clone(),
            lacks: vec![],
            explains: ids(&h.explains),
        })
        .collect();
    let mut missing: BTreeMap<String, (Lack, BTreeSet<String>)> = BTreeMap::new();
    for l in looked.iter().filter(|l| !l.explains.is_disjoint(open)) {
        let State::Undecided(lacks) = &l.finding.state else { continue };
        candidates.push(Candidate {
            cause: l.cause.id().to_owned(),
            subject: l.finding.subject.clone(),
            lacks: lacks.iter().map(|lack| lack.what.clone()).collect(),
            explains: ids(&l.explains),
        });
        for lack in lacks {
            missing
                .entry(lack.what.clone())
                .or_insert_with(|| (lack.clone(), BTreeSet::new()))
                .1
                .insert(l.cause.id().to_owned());
        }
    }
    if symptoms.is_empty() {
        missing.extend(unseen(evidence).into_iter().map(|lack| (lack.what.clone(), (lack, BTreeSet::new()))));
    }
    candidates.sort_by(|a, b| (&a.cause, &a.subject).cmp(&(&b.cause, &b.subject)));
    candidates.dedup_by(|more, first| {
        let same = (&more.cause, &more.subject) == (&first.cause, &first.subject);
        if same {
            // What holds lacks nothing.
            if !first.lacks.is_empty() {
                first.lacks.append(&mut more.lacks);
            }
            first.explains.append(&mut more.explains);
            for list in [&mut first.lacks, &mut first.explains] {
                list.sort();
                list.dedup();
            }
        }
        same
    });
    let missing = missing.into_values().map(|(lack, decides)| {
        let Lack { what, why, how, request } = lack;
        (Missing { what, why, how, decides: decides.into_iter().collect() }, request.map(|request| request.file))
    });
    (candidates, missing.collect())
}

/// What was listed.
const COVERAGE: &str = "coverage.json";

/// A resource that was asked for and answered counts as listed, even where there is none of it.
fn now_listed(known: Option<&String>, resource: &str) -> String {
    let known = known.and_then(|text| serde_json::from_str(text).ok());
    let mut coverage: serde_json::Value = known.unwrap_or_else(|| serde_json::json!({}));
    if let Some(missed) = coverage["missed"].as_array_mut() {
        missed.retain(|missed| missed["what"] != resource);
    }
    coverage["listed"][resource] = 0.into();
    coverage.to_string()
}

/// Lets every cause look, and predicts what each would explain.
fn look(case: &Case<'_, '_>) -> Vec<Looked> {
    let examine = |cause: &&'static dyn causes::Cause| {
        let findings = causes::together(cause.examine(case)).into_iter();
        findings.map(|finding| (*cause, finding)).collect::<Vec<_>>()
    };
    let found: Vec<(&'static dyn causes::Cause, Finding)> = causes::all().iter().flat_map(examine).collect();
    let explains = predict(case, found.iter().map(|(_, finding)| finding));
    let looked = found.into_iter().zip(explains);
    looked.map(|((cause, finding), explains)| Looked { cause, finding, explains }).collect()
}

/// The symptoms that each finding would produce: those that have one of its effects in their scope, and behind what is seen.
fn predict<'a>(case: &Case<'_, '_>, findings: impl ExactSizeIterator<Item = &'a Finding>) -> Vec<BTreeSet<usize>> {
    let mut explains = vec![BTreeSet::new(); findings.len()];
    let mut effects: BTreeMap<&Subject, Vec<(Mode, usize)>> = BTreeMap::new();
    for (index, finding) in findings.enumerate() {
        for (subject, mode) in &finding.effects {
            effects.entry(subject).or_default().push((*mode, index));
        }
    }
    for (number, symptom) in case.symptoms.iter().enumerate() {
        let own = symptom.own().map(|subject| (subject, fitting(symptom.at_its_origin())));
        for (subject, modes) in behind(case.model, symptom).into_iter().chain(own) {
            let here = effects.get(subject).filter(|_| symptom.scope.contains(subject));
            for (_, index) in here.into_iter().flatten().filter(|(mode, _)| modes.has(*mode)) {
                explains[*index].insert(number);
            }
        }
    }
    explains
}

fn holding(model: &Model<'_>, looked: &Looked) -> Option<Holding> {
    let State::Holds(proof) = &looked.finding.state else { return None };
    let changed = model.changed(&looked.finding.subject).or(proof.changed);
    Some(Holding {
        cause: looked.cause.id(),
        owner: looked.cause.owner(),
        subject: looked.finding.subject.clone(),
        effects: looked.finding.effects.clone(),
        proof: Box::new(Proof { changed, ..(**proof).clone() }),
        explains: looked.explains.clone(),
    })
}

/// A cause that was excluded: its id, where it would sit, and by what.
type Excluded<'l> = (&'static str, &'l Subject, &'l str);

/// The causes that were excluded, by the symptoms that they would have explained.
fn excluded(looked: &[Looked]) -> BTreeMap<usize, Vec<Excluded<'_>>> {
    let mut by_symptom: BTreeMap<usize, Vec<Excluded<'_>>> = BTreeMap::new();
    for Looked { cause, finding, explains } in looked {
        if let State::Excluded { because, .. } = &finding.state {
            for symptom in explains {
                by_symptom.entry(*symptom).or_default().push((cause.id(), &finding.subject, because));
            }
        }
    }
    by_symptom
}

/// Causes that would have explained the same symptoms and were excluded.
fn ruled_out(excluded: &BTreeMap<usize, Vec<Excluded<'_>>>, explained: &BTreeSet<usize>) -> Vec<RuledOut> {
    let same: BTreeSet<&Excluded<'_>> =
        explained.iter().filter_map(|symptom| excluded.get(symptom)).flatten().collect();
    let told = same.into_iter().map(|(cause, subject, because)| RuledOut {
        cause: (*cause).to_owned(),
        subject: (*subject).clone(),
        because: (*because).to_owned(),
    });
    told.collect()
}

/// Each reading once, in the order of the proof.
fn once(readings: &[Citation]) -> Vec<Citation> {
    let mut seen = BTreeSet::new();
    readings.iter().filter(|reading| seen.insert(*reading)).cloned().collect()
}

fn noise(holding: &[Holding], chosen: &[usize], verdict: Verdict) -> Vec<Noise> {
    let others = holding.iter().enumerate().filter(|(index, _)| chosen.binary_search(index).is_err());
    let others = others.filter(|(_, h)| verdict == Verdict::Confirmed || h.explains.is_empty());
    others
        .map(|(_, h)| Noise {
            cause: h.cause.to_owned(),
            subject: h.subject.clone(),
            why: if h.explains.is_empty() {
                "true, but it would not produce anything that was seen".to_owned()
            } else {
                "true, but what it would explain is explained without it".to_owned()
            },
        })
        .collect()
}

fn told(symptom: &Symptom) -> SymptomSeen {
    SymptomSeen {
        id: symptom.id.clone(),
        subject: symptom.subject.clone(),
        says: symptom.says.clone(),
        since: symptom.since.map(|time| time.to_string()),
        evidence: symptom.evidence.clone(),
    }
}

/// What must be seen before no symptom means that nothing is wrong: that someone is served; where requests are logged, what
/// became of them, for a few probes miss what happens to some alone, and of machines nothing else says how it was before; and of
/// a cluster its pods and nodes.
fn unseen(evidence: &Evidence) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let served = evidence.traffic.iter().any(|record| !record.failed());
    let logged = evidence.traffic.is_empty() && evidence.logs.have_requests();
    let once = evidence.traffic.is_empty() && evidence.objects.is_empty();
    if logged || once || !served && evidence.probes.iter().all(Probe::failed) {
        let (what, why) = match (logged, evidence.probes.iter().all(Probe::failed)) {
            (true, _) => ("traffic.jsonl", "requests are logged, and were not collected"),
            (_, true) => ("probes.json", "nobody was seen being served"),
            (_, false) => ("traffic.jsonl", "what was tried went well then; of all other requests nothing is known"),
        };
        lacks.push(Lack {
            what: what.to_owned(),
            why: why.to_owned(),
            how: "the access log of whatever clients ask first, one request a line; or what a request made by hand came to"
                .to_owned(),
            request: None,
        });
    }
    if !evidence.coverage.listed.is_empty() || evidence.traffic.iter().any(|record| record.pod.is_some()) {
        for (kind, resource) in [("node", "nodes"), ("pod", "pods")] {
            if let Fact::Missed(why) = evidence.listed(kind, resource) {
                lacks.push(Lack::objects(resource, None, why));
            }
        }
    }
    lacks
}

/// The subject of the first root cause, for callers that only want a name.
impl Diagnosis {
    /// (cause, subject) of every root cause.
    pub fn roots(&self) -> Vec<(&str, &Subject)> {
        self.root_causes.iter().map(|root| (root.cause.as_str(), &root.subject)).collect()
    }
}
