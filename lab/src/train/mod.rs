//! Training: an exercise is a recording whose truth is hidden until it was found.
//!
//! The room is pure but for [`progress`] (one file) and [`Exercise::load`] (reads a recording); it has no clock: whoever
//! drives it says what time it is. The terminal (`lab train`) and the page (`lab serve --web`) drive it alike:
//!
//! ```text
//! let course = Course::of(&scenario::list(&root)?);            // every scenario in order of difficulty, with its number
//! let exercise = Exercise::load(&root, &course, name, seed)?;  // seed 0: as it was recorded; else a variant of it
//! exercise.brief()                                             // what a trainee sees first; Serialize, no truth in it
//! let mut attempt = Attempt::begin(exercise, now);
//! attempt.look(Look::file("hosts/app/ss.txt"), now);           // for every reading that was shown; Look::request for the API's
//! attempt.hint(now)                                            // the next level; None when there are no more
//! attempt.answer("port mismatch, service/shop/web", now)?      // Err(Unclear): not understood, costs nothing
//! attempt.give_up(now);
//! attempt.debrief()                                            // None until it is over; Serialize; the truth
//! progress::Progress::load(&progress::file())?; progress::add(&progress::file(), attempt.record())?;
//! ```
//!
//! What may not enter: whatever a brief, a hint or the judgement of a wrong answer says must not name the cause.

pub mod answer;
mod attempt;
mod brief;
mod causes;
mod checks;
mod complaint;
mod course;
mod debrief;
mod difficulty;
mod exercise;
mod judgement;
mod looks;
mod next;
pub mod progress;
mod subjects;
mod twins;

pub use answer::{Claim, Unclear};
pub use attempt::{Attempt, Ending, Step};
pub use brief::Brief;
pub use checks::Check;
pub use course::{Course, Lesson};
pub use debrief::{Debrief, RootTold};
pub use difficulty::Difficulty;
pub use exercise::Exercise;
pub use judgement::{Judgement, Relation, Remark};
pub use looks::{Look, Topic};
pub use next::{Choice, Standing, next, standings};
pub use twins::Twin;
