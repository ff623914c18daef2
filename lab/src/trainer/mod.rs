//! A terminal at which an exercise is worked on: lines in, readings, hints and judgements out. What an exercise is, is said in
//! [`crate::train`]; this room has the prompt, the clock, kubectl and the signals.
//!
//! Reading order: [`command`] (what a line asks for), [`readings`] (what can be shown), [`filter`] (`| grep`), [`kubectl`],
//! [`live`] (where the world runs), [`prompt`], [`signals`], [`terminal`].

mod command;
mod filter;
mod kubectl;
mod live;
mod prompt;
mod readings;
mod requests;
mod signals;
mod terminal;

use std::{
    path::{Path, PathBuf},
    thread,
};

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    LabError,
    report::{self, Style, debrief, harmless, training},
    train::{Attempt, Ending, Exercise, progress},
};
use command::Command;
use filter::Filters;
use kubectl::Kubectl;
pub use live::Live;
use prompt::{Line, Prompt};

/// Lets a trainee work on an exercise until it is over, and keeps what came of it in `file`. `None` where the trainee left.
///
/// # Errors
/// When the user interrupts; when the result cannot be kept, after it was shown.
pub fn work_on(exercise: Exercise, file: &Path) -> Result<Option<Ending>, LabError> {
    signals::watch(signals::end_the_program);
    Session::of(exercise, None).work(file)
}

/// The same in a world that runs. It is worked on in a thread of its own, which waits for lines; so whoever interrupts is heard
/// all the same, and the world can be taken down.
///
/// # Errors
/// As [`work_on`].
pub async fn work_live(exercise: Exercise, live: Live, file: PathBuf) -> Result<Option<Ending>, LabError> {
    let (ends, ended) = oneshot::channel();
    let (asks, asked) = oneshot::channel();
    let mut asks = Some(asks);
    signals::watch(move || {
        // Where nobody waits any more it is over anyway.
        let _ = asks.take().map(|asks| asks.send(()));
    });
    let work = move || drop(ends.send(Session::of(exercise, Some(live)).work(&file)));
    let begun = thread::Builder::new().name("trainee".to_owned()).spawn(work);
    begun.map_err(|error| LabError::Live {
        what: "starting the program's own threads".to_owned(),
        why: error.to_string(),
        next: "Is the limit of processes (ulimit -u) reached?".to_owned(),
    })?;
    let result = tokio::select! {
        result = ended => result.unwrap_or(Err(LabError::Left)),
        Ok(()) = asked => Err(LabError::Left),
    };
    signals::leave_nothing();
    result
}

struct Session {
    attempt: Attempt,
    kubectl: Kubectl,
    live: Option<Live>,
    prompt: Prompt,
    style: Style,
}

impl Session {
    fn of(exercise: Exercise, live: Option<Live>) -> Self {
        Self {
            kubectl: Kubectl::new(&exercise.files, live.as_ref()),
            attempt: Attempt::begin(exercise, Timestamp::now()),
            live,
            prompt: Prompt::new(),
            style: report::stdout_style(),
        }
    }

    /// From the brief to the debrief.
    fn work(mut self, file: &Path) -> Result<Option<Ending>, LabError> {
        report::print(&self.brief())?;
        while self.attempt.ending().is_none() {
            match self.prompt.read() {
                Line::Text(line) => self.follow(&line),
                Line::End => {
                    report::print("You left; nothing of this exercise is kept.\n")?;
                    return Ok(None);
                }
                Line::Interrupted => return Err(LabError::Left),
            }
        }
        let debrief = self.attempt.debrief().map(|told| debrief::render(&told, self.style)).unwrap_or_default();
        let told = report::print(&debrief);
        // Also where nobody could read it.
        if let Some(record) = self.attempt.record() {
            progress::add(file, record)?;
        }
        told?;
        Ok(self.attempt.ending())
    }

    fn brief(&self) -> String {
        let brief = training::brief(&self.attempt.exercise.brief(), self.style);
        match &self.live {
            Some(live) => brief + &training::live(live.kubeconfig.as_deref(), live.machines()),
            None => brief,
        }
    }

    /// Does what a line asks for. What goes wrong is said, and the exercise goes on.
    fn follow(&mut self, line: &str) {
        if let Err(error) = self.answer(line) {
            report::say(&error.render());
        }
    }

    fn answer(&mut self, line: &str) -> Result<(), LabError> {
        let (line, filters) = Filters::split(line)?;
        let text = match command::parse(line)? {
            Command::Nothing => self.prompt.more(),
            Command::Help => command::HELP.to_owned(),
            Command::Brief => self.brief(),
            Command::Causes(word) => training::causes(&word, self.style),
            Command::Hint => self.hint(),
            Command::Answer(said) => self.judged(&said),
            Command::GiveUp => {
                self.attempt.give_up(Timestamp::now());
                String::new()
            }
            Command::Leave => {
                self.prompt.end();
                String::new()
            }
            Command::Show(words) => {
                let (look, text) = match self.live.as_ref().and_then(|live| live.show(&words)) {
                    Some(shown) => shown.map(|(look, text)| (Some(look), text))?,
                    None => readings::show(&self.attempt.exercise, &words)?,
                };
                if let Some(look) = look {
                    self.attempt.look(look, Timestamp::now());
                }
                harmless(&text)
            }
            Command::Kubectl(words) => {
                let (looks, text) = self.kubectl.run(&words)?;
                for look in looks {
                    self.attempt.look(look, Timestamp::now());
                }
                harmless(&text)
            }
        };
        self.prompt.show(&filters.apply(&text))
    }

    fn hint(&mut self) -> String {
        let costs = self.attempt.next_hint_costs();
        match self.attempt.hint(Timestamp::now()) {
            Some(hint) => training::hint(&hint, costs, self.attempt.hints_left()),
            None => "There are no more hints. `give up` tells it all.\n".to_owned(),
        }
    }

    fn judged(&mut self, said: &str) -> String {
        match self.attempt.answer(said, Timestamp::now()) {
            Ok(judgement) => training::judgement(&judgement, self.style),
            Err(unclear) => training::paragraph(&unclear.to_string()),
        }
    }
}
