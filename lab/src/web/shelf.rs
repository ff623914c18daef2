//! The incidents: the course as it is listed, and each recording opened once, with all that is drawn of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::id::Id;
use crate::{
    LabError, cluster,
    drawing::Drawing,
    root::Root,
    scenario,
    train::{Course, Exercise, Lesson},
};

/// More are not kept open: what is opened again is the same.
const MOST_OPEN: usize = 300;

/// An incident that is open, or about to be.
type Slot = Mutex<Option<Arc<Case>>>;

/// Every incident, by number.
pub(super) struct Shelf {
    root: Root,
    /// In order of difficulty.
    pub course: Course,
    outside: BTreeMap<String, Outside>,
    open: Mutex<BTreeMap<Id, Arc<Slot>>>,
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
    /// Evidence, diagnosis, history, truth.
    pub exercise: Arc<Exercise>,
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
        let course = Course::of(&scenarios);
        let seen = |lesson: &Lesson| {
            let scenario = scenarios.iter().find(|scenario| scenario.name == lesson.name)?;
            let symptom = lesson.complaint.family().unwrap_or_default();
            Some(Outside { symptom, system: titles.get(&scenario.world).cloned().unwrap_or_default() })
        };
        let outside = course.lessons.iter().filter_map(|lesson| Some((lesson.name.clone(), seen(lesson)?))).collect();
        Ok(Self { root, course, outside, open: Mutex::default() })
    }

    /// Every lesson with what is known of it from outside.
    pub fn lessons(&self) -> impl Iterator<Item = (&Lesson, &Outside)> {
        self.course.lessons.iter().filter_map(|lesson| Some((lesson, self.outside.get(&lesson.name)?)))
    }

    /// The lesson of this number.
    pub fn lesson(&self, number: usize) -> Option<&Lesson> {
        self.course.lessons.iter().find(|lesson| lesson.number == number)
    }

    /// A variant of an incident, opened the first time it is asked for. Takes part of a second then; not for an async thread.
    ///
    /// # Errors
    /// When it has no recording, or one that does not parse.
    pub fn case(&self, lesson: &Lesson, seed: u64) -> Result<Arc<Case>, LabError> {
        let slot = self.slot(Id { number: lesson.number, seed });
        // Of a class that comes all at once the first opens it, and the others wait.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(case) = &*slot {
            return Ok(Arc::clone(case));
        }
        let exercise = Exercise::load(&self.root, &self.course, &lesson.name, seed)?;
        let drawing = Drawing::of(&exercise.evidence, &exercise.diagnosis);
        let case = Arc::new(Case { exercise: Arc::new(exercise), drawing });
        Ok(Arc::clone(slot.insert(case)))
    }

    fn slot(&self, id: Id) -> Arc<Slot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST_OPEN && !open.contains_key(&id) {
            open.pop_last();
        }
        Arc::clone(open.entry(id).or_default())
    }
}
