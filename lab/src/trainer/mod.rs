//! A terminal at which an exercise is worked on: lines in, readings, hints and judgements out. What an exercise is, is said in
//! [`crate::train`]; this room has the prompt, the clock, kubectl and the signals.
//!
//! Reading order: [`command`] (what a line asks for), [`readings`] (what can be shown), [`filter`] (`| grep`), [`kubectl`],
//! [`prompt`], [`signals`].

mod command;
mod filter;
mod kubectl;
mod prompt;
mod readings;
mod requests;
mod signals;

use std::path::Path;

use jiff::Timestamp;

use crate::{
    LabError,
    report::{self, Style, debrief, harmless, training},
    train::{Attempt, Ending, Exercise, progress},
};
use command::Command;
use filter::Filters;
use kubectl::Kubectl;
use prompt::{Line, Prompt};

/// Lets a trainee work on an exercise until it is over, and keeps what came of it in `file`. `None` where the trainee left.
///
/// # Errors
/// When the user interrupts; when the result cannot be kept, after it was shown.
pub fn work_on(exercise: Exercise, file: &Path) -> Result<Option<Ending>, LabError> {
    signals::watch();
    let style = report::stdout_style();
    report::print(&training::brief(&exercise.brief(), style));
    let mut session = Session {
        kubectl: Kubectl::new(&exercise.files),
        attempt: Attempt::begin(exercise, Timestamp::now()),
        prompt: Prompt::new(),
        style,
    };
    while session.attempt.ending().is_none() {
        match session.prompt.read() {
            Line::Text(line) => session.follow(&line),
            Line::End => {
                report::print("You left; nothing of this exercise is kept.\n");
                return Ok(None);
            }
            Line::Interrupted => return Err(LabError::Left),
        }
    }
    if let Some(told) = session.attempt.debrief() {
        report::print(&debrief::render(&told, style));
    }
    if let Some(record) = session.attempt.record() {
        progress::add(file, record)?;
    }
    Ok(session.attempt.ending())
}

struct Session {
    attempt: Attempt,
    kubectl: Kubectl,
    prompt: Prompt,
    style: Style,
}

impl Session {
    /// Does what a line asks for. What goes wrong is said, and the exercise goes on.
    fn follow(&mut self, line: &str) {
        if let Err(error) = self.answer(line) {
            eprintln!("{}", error.render());
        }
    }

    fn answer(&mut self, line: &str) -> Result<(), LabError> {
        let (line, filters) = Filters::split(line)?;
        let text = match command::parse(line)? {
            Command::Nothing => self.prompt.more(),
            Command::Help => command::HELP.to_owned(),
            Command::Brief => training::brief(&self.attempt.exercise.brief(), self.style),
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
                let (look, text) = readings::show(&self.attempt.exercise, &words)?;
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
        self.prompt.show(&filters.apply(&text));
        Ok(())
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
