//! The page: `lab serve --web`. Incidents to work on, their evidence, answers and debriefs; a class with a facilitator; the score
//! board; a live run as it happens. Pages are whole without JavaScript; a small script saves reloading.
//!
//! Reading order: [`guard`] (who may ask), [`visitor`] (who asks), [`id`] and [`shelf`] (what there is), [`class`] (what
//! everyone did), then the pages, one file each. What may not enter: the truth on a page of someone who has not answered; only the pages of an
//! attempt that is over and of the facilitator take it from the exercise.

mod assets;
mod board;
mod catalogue;
mod class;
mod evidence;
mod failure;
mod guard;
mod id;
mod incident;
mod lead;
mod live;
mod shelf;
mod visitor;

use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use failure::Failure;
use jiff::Timestamp;
use minijinja::{Value, context};
use tokio::sync::watch;
use visitor::Visitor;

use self::{class::Class, shelf::Shelf};
use crate::{LabError, pages::Pages, root::Root, serve};

/// The port that is used where none is asked for.
pub const PORT: u16 = 7070;

/// What is served, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The project whose recordings are worked on.
    pub root: Root,
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
}

/// What every page works with.
struct App {
    shelf: Shelf,
    pages: Pages,
    class: Mutex<Class>,
    /// Counts what everyone did, so that pages can follow.
    changes: watch::Sender<u64>,
    /// What only the facilitator knows.
    key: String,
    address: String,
}

/// A server that is ready to answer.
pub struct Served {
    listener: TcpListener,
    app: Arc<App>,
}

impl Served {
    /// Takes the port, reads the course.
    ///
    /// # Errors
    /// When the port is taken or not allowed, or a scenario does not parse.
    pub async fn begin(options: &Options) -> Result<Self, LabError> {
        let (listener, at) = serve::listen(options.port)?;
        let app = App {
            shelf: Shelf::new(options.root.clone())?,
            pages: Pages::new(),
            class: Mutex::default(),
            changes: watch::Sender::new(0),
            key: visitor::random(),
            address: format!("http://{at}/"),
        };
        Ok(Self { listener, app: Arc::new(app) })
    }

    /// Where participants begin.
    pub fn address(&self) -> &str {
        &self.app.address
    }

    /// Where the facilitator begins; whoever has it sees the truth.
    pub fn lead_address(&self) -> String {
        format!("{}lead?key={}", self.app.address, self.app.key)
    }

    /// Answers until the program ends.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self) -> Result<(), LabError> {
        let serve = async { axum::serve(tokio::net::TcpListener::from_std(self.listener)?, routes(self.app)).await };
        serve.await.map_err(|error: io::Error| LabError::Live {
            what: "serving the page".to_owned(),
            why: error.to_string(),
            next: "Start it again.".to_owned(),
        })
    }
}

fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(catalogue::page))
        .route("/join", post(catalogue::join))
        .route("/incidents/{id}", get(incident::page))
        .route("/incidents/{id}/open", get(incident::open))
        .route("/incidents/{id}/answer", post(incident::answer))
        .route("/incidents/{id}/hint", post(incident::hint))
        .route("/incidents/{id}/give-up", post(incident::give_up))
        .route("/incidents/{id}/evidence", get(evidence::index))
        .route("/incidents/{id}/evidence/{*page}", get(evidence::page))
        .route("/lead", get(lead::page))
        .route("/lead/round", post(lead::round))
        .route("/lead/hint", post(lead::hint))
        .route("/class/events", get(live::class))
        .route("/live", get(live::page))
        .route("/live/events", get(live::events))
        .route("/board", get(board::page))
        .route("/style.css", get(assets::style))
        .route("/page.js", get(assets::script))
        .route("/icon.svg", get(assets::icon))
        .fallback(failure::nowhere)
        .layer(from_fn_with_state(Arc::clone(&app), visitor::recognise))
        .layer(from_fn(guard::guard))
        .with_state(app)
}

impl App {
    fn class(&self) -> MutexGuard<'_, Class> {
        self.class.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened that other pages show.
    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// What the frame of every page shows; where it changes with what the class does, that is followed.
    fn site(&self, visitor: &Visitor, here: &str, follows: bool) -> Value {
        let follow = if follows { format!("/class/events?seen={}", visitor.seen) } else { String::new() };
        context! { here, follow, me => self.class().name(&visitor.id), lead => visitor.lead }
    }
}

fn now() -> Timestamp {
    Timestamp::now()
}
