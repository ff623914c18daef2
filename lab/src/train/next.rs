//! What to train on next: what was weakest, or else the next lesson of the course. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Course, Lesson, progress::Progress};

/// Below this, out of 100, a tag is weak.
const WEAK: u32 = 80;

/// How one stands at a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The tag.
    pub tag: String,
    /// How many of its lessons were finished.
    pub done: usize,
    /// How many it has.
    pub of: usize,
    /// The points of the last time at each of these, on average.
    pub points: u32,
}

/// A lesson, and why that one.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice<'a> {
    /// The lesson.
    pub lesson: &'a Lesson,
    /// Which variant: how often it was done before.
    pub seed: u64,
    /// In words; it does not name the lesson.
    pub why: String,
}

/// How one stands at every tag of the course that was trained, the weakest first.
pub fn standings(course: &Course, progress: &Progress) -> Vec<Standing> {
    let last: BTreeMap<&str, u32> =
        progress.records.iter().map(|record| (record.scenario.as_str(), record.points)).collect();
    let tags: BTreeSet<&String> = course.lessons.iter().flat_map(|lesson| &lesson.tags).collect();
    let mut standings: Vec<Standing> = tags
        .into_iter()
        .filter_map(|tag| {
            let lessons: Vec<&Lesson> = course.lessons.iter().filter(|lesson| lesson.tags.contains(tag)).collect();
            let points: Vec<u32> =
                lessons.iter().filter_map(|lesson| last.get(lesson.name.as_str()).copied()).collect();
            let average = points.iter().sum::<u32>().checked_div(u32::try_from(points.len()).ok()?)?;
            Some(Standing { tag: tag.clone(), done: points.len(), of: lessons.len(), points: average })
        })
        .collect();
    standings.sort_by(|a, b| (a.points, &a.tag).cmp(&(b.points, &b.tag)));
    standings
}

/// Of the lessons that may be chosen: the easiest of the weakest tag that was not done yet, or was done longest ago; where
/// nothing is weak, the next of the course that was not done yet, or the one that brought fewest points.
pub fn next<'a>(course: &Course, progress: &Progress, may: &[&'a Lesson]) -> Option<Choice<'a>> {
    let when = |lesson: &Lesson| progress.records.iter().rposition(|record| record.scenario == lesson.name);
    let choice = |lesson: &'a Lesson, why: String| Choice { lesson, seed: progress.times(&lesson.name) as u64, why };
    for Standing { tag, points, done, .. } in standings(course, progress).into_iter().filter(|s| s.points < WEAK) {
        let of_tag = may.iter().copied().filter(|lesson| lesson.tags.contains(&tag));
        // Those that were never done come first: `None` is less than any time.
        if let Some(lesson) = of_tag.min_by_key(|lesson| when(lesson)) {
            return Some(choice(lesson, format!("your weakest is {tag}: {points} of 100 in {done}")));
        }
    }
    let last = |lesson: &Lesson| when(lesson).map(|at| progress.records[at].points);
    let lesson = may.iter().copied().min_by_key(|lesson| last(lesson))?;
    Some(choice(lesson, "the next of the course".to_owned()))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        scenario::Symptom,
        train::{Difficulty, progress::Record},
    };

    fn lesson(number: usize, name: &str, tag: &str) -> Lesson {
        Lesson {
            number,
            name: name.to_owned(),
            difficulty: Difficulty { hops: number, causes: 1, distractors: 0 },
            complaint: Symptom::None,
            message: String::new(),
            tags: vec![tag.to_owned()],
            all_tags: vec![],
            twins: vec![],
        }
    }

    fn done(scenario: &str, points: u32) -> Record {
        Record {
            scenario: scenario.to_owned(),
            seed: 0,
            tags: vec![],
            started: Timestamp::UNIX_EPOCH,
            seconds: 1,
            found: points > 0,
            points,
            hints: 0,
            answers: 1,
            skipped: vec![],
        }
    }

    #[test]
    fn the_course_first_then_what_is_weak() {
        let course = Course {
            lessons: vec![lesson(1, "a", "dns"), lesson(2, "b", "disk"), lesson(3, "c", "dns"), lesson(4, "d", "disk")],
        };
        let may: Vec<&Lesson> = course.lessons.iter().collect();
        let mut progress = Progress::default();
        let mut chosen = |record: Option<Record>| {
            progress.records.extend(record);
            let choice = next(&course, &progress, &may).expect("there is one");
            (choice.lesson.name.clone(), choice.seed)
        };
        assert_eq!(chosen(None), ("a".to_owned(), 0));
        assert_eq!(chosen(Some(done("a", 100))), ("b".to_owned(), 0));
        assert_eq!(chosen(Some(done("b", 0))), ("d".to_owned(), 0), "disk is weak");
        assert_eq!(chosen(Some(done("d", 40))), ("b".to_owned(), 1), "still, and all were done: again, as a variant");
        assert_eq!(chosen(Some(done("b", 100))), ("d".to_owned(), 1), "70 on average");
        assert_eq!(chosen(Some(done("d", 90))), ("c".to_owned(), 0), "on with the course");
        assert_eq!(next(&course, &Progress::default(), &[]), None);
    }
}
