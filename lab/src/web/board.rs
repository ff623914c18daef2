//! The score board: what runs of the suite came to, over time, and what was taken for what. It names causes, never incidents.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Extension, extract::State, response::Html};
use minijinja::{Value, context};

use super::{App, Failure, Visitor};
use crate::{
    score::Outcome,
    suite_log::{self, Kept},
};

/// So many runs are shown.
const RUNS: usize = 30;

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Html<String>, Failure> {
    let mut kept = tokio::task::spawn_blocking(|| suite_log::load(&suite_log::file())).await??;
    kept.reverse();
    kept.truncate(RUNS);
    let page = context! {
        site => app.site(&visitor, "board", false),
        outcomes => Outcome::ALL[1..].iter().map(|outcome| outcome.id()).collect::<Vec<_>>(),
        runs => kept.iter().map(run).collect::<Vec<_>>(),
        matrix => kept.first().map(matrix),
    };
    Ok(Html(app.pages.render("board.html", page)?))
}

fn run(kept: &Kept) -> Value {
    let count = |outcome: Outcome| kept.rows.iter().filter(|row| row.outcome == outcome).count();
    let (exact, all) = (count(Outcome::Exact), kept.rows.len());
    context! {
        time => kept.time.strftime("%Y-%m-%d %H:%M").to_string(),
        mode => &kept.mode,
        exact,
        all,
        share => 100 * exact / all.max(1),
        counts => Outcome::ALL[1..].iter().map(|outcome| count(*outcome)).collect::<Vec<_>>(),
        seconds => format!("{:.1}", kept.seconds),
    }
}

/// What was taken for what, without the causes that were never mistaken.
fn matrix(kept: &Kept) -> Value {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in &kept.rows {
        *counts.entry((&row.truth, &row.said)).or_default() += 1;
    }
    let differ = counts.keys().filter(|(truth, said)| truth != said);
    let mistaken: BTreeSet<&str> = differ.flat_map(|&(truth, said)| [truth, said]).collect();
    let of = |truth: &str, said: &str| counts.get(&(truth, said)).copied().unwrap_or_default();
    let rows = mistaken.iter().filter(|truth| counts.keys().any(|(other, _)| other == *truth)).map(|truth| {
        let cells = mistaken.iter().map(|said| context! { count => of(truth, said), right => truth == said });
        context! { truth => *truth, cells => cells.collect::<Vec<_>>() }
    });
    let right: usize = counts.iter().filter(|((truth, said), _)| truth == said).map(|(_, count)| count).sum();
    context! { rows => rows.collect::<Vec<_>>(), columns => mistaken.iter().map(|name| Value::from(*name)).collect::<Vec<_>>(), right, all => kept.rows.len() }
}
