//! The incidents: the course as it is listed, and each recording opened once, with all that is drawn of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    LabError, cluster,
    drawing::Drawing,
    recording::Recording,
    root::Root,
    scenario::{self, Scenario},
    train::{Course, Exercise, Lesson},
};

/// The symptom of an incident where nobody can say what is wrong.
pub(super) const UNCLEAR: &str = "unclear";

/// Every incident, by number.
pub(super) struct Shelf {
    root: Root,
    /// In order of difficulty.
    pub course: Course,
    outside: BTreeMap<String, Outside>,
    open: Mutex<BTreeMap<usize, Arc<Case>>>,
}

/// What is known of an incident from outside.
pub(super) struct Outside {
    /// What is seen, in a word or two, to choose by: `http 502`.
    pub symptom: String,
    /// What system it is: the title of its world.
    pub system: String,
}

/// One incident with all that is drawn of it. What may be shown of it before the answer is the caller's care.
pub(super) struct Case {
    /// Evidence, diagnosis, truth.
    pub exercise: Arc<Exercise>,
    /// What happened in the run, and what it was made with.
    pub recording: Recording,
    /// What is drawn.
    pub drawing: Drawing,
}

impl Shelf {
    /// The course of a project.
    ///
    /// # Errors
    /// When a scenario does not parse.
    pub fn new(root: Root) -> Result<Self, LabError> {
        let scenarios = scenario::list(&root)?;
        let titles: BTreeMap<String, String> =
            cluster::worlds(&root)?.into_iter().map(|world| (world.name, world.title)).collect();
        let seen = |scenario: &Scenario| Outside {
            symptom: scenario.symptom.family().unwrap_or_else(|| UNCLEAR.to_owned()),
            system: titles.get(&scenario.world).cloned().unwrap_or_default(),
        };
        let outside = scenarios.iter().map(|scenario| (scenario.name.clone(), seen(scenario))).collect();
        Ok(Self { root, course: Course::of(&scenarios), outside, open: Mutex::default() })
    }

    /// Every lesson with what is known of it from outside.
    pub fn lessons(&self) -> impl Iterator<Item = (&Lesson, &Outside)> {
        self.course.lessons.iter().filter_map(|lesson| Some((lesson, self.outside.get(&lesson.name)?)))
    }

    /// The lesson of this number.
    pub fn lesson(&self, number: usize) -> Option<&Lesson> {
        self.course.lessons.iter().find(|lesson| lesson.number == number)
    }

    /// An incident, opened the first time it is asked for. Takes part of a second then; not for an async thread.
    ///
    /// # Errors
    /// When it has no recording, or one that does not parse.
    pub fn case(&self, lesson: &Lesson) -> Result<Arc<Case>, LabError> {
        if let Some(case) = self.open().get(&lesson.number) {
            return Ok(Arc::clone(case));
        }
        let exercise = Exercise::load(&self.root, &self.course, &lesson.name, 0)?;
        let recording = Recording::of(&self.root, &lesson.name)?;
        let drawing = Drawing::of(&exercise.evidence, &exercise.diagnosis);
        let case = Arc::new(Case { exercise: Arc::new(exercise), recording, drawing });
        Ok(Arc::clone(self.open().entry(lesson.number).or_insert(case)))
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Case>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
