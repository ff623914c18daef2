//! `lab explain [CAUSE]`: the reference of a cause.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use diagnoser::causes::{Reference, references};
use serde::Serialize;

use super::Format;
use crate::{
    LabError, exit,
    report::{self, json, reference},
};

/// Explain a cause: what it looks like, how to confirm it by hand, how to fix it
#[derive(ClapArgs)]
#[command(after_long_help = "\
Examples:
  lab explain                          every cause, a line each
  lab explain service-port-mismatch")]
pub(super) struct Args {
    /// The id of the cause; without it all are listed
    cause: Option<String>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

/// A reference for programs.
#[derive(Serialize)]
struct Explanation<'a> {
    cause: &'a str,
    title: &'a str,
    sections: Vec<Section<'a>>,
}

/// One part of a reference.
#[derive(Serialize)]
struct Section<'a> {
    heading: &'a str,
    text: &'a str,
}

impl<'a> From<&'a Reference> for Explanation<'a> {
    fn from(reference: &'a Reference) -> Self {
        let sections = reference.sections.iter().map(|(heading, text)| Section { heading, text }).collect();
        Self { cause: reference.id, title: &reference.title, sections }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let references = references();
    let style = report::stdout_style();
    let text = match &args.cause {
        None if args.format == Format::Json => {
            json::render(&references.iter().map(Explanation::from).collect::<Vec<_>>())
        }
        None => reference::list(&references, style),
        Some(name) => {
            let found = references.iter().find(|reference| reference.id == name).ok_or_else(|| {
                let all = format!("lab explain shows all {}", references.len());
                LabError::unknown_name("cause", name, references.iter().map(|reference| reference.id), all)
            })?;
            if args.format == Format::Json {
                json::render(&Explanation::from(found))
            } else {
                reference::explain(found, style)
            }
        }
    };
    report::print(&text)?;
    Ok(exit::as_expected(true))
}
