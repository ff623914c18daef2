//! What cannot be shown, and what to do about it.

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use minijinja::context;

use crate::{LabError, pages::Pages};

/// A page that says why there is no other.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    title: String,
    says: String,
}

impl Failure {
    /// There is no such page.
    pub fn missing(what: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: format!("No {what}"),
            says: "It may have been mistyped.".to_owned(),
        }
    }

    /// This is not for everyone.
    pub fn forbidden(says: &str) -> Self {
        Self { status: StatusCode::FORBIDDEN, title: "Not for everyone".to_owned(), says: says.to_owned() }
    }

    fn broken(title: impl ToString, says: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, title: title.to_string(), says }
    }
}

/// Every address that is no page.
pub(super) async fn nowhere() -> Failure {
    Failure::missing("such page")
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self::broken(&error, error.next())
    }
}

impl From<minijinja::Error> for Failure {
    fn from(error: minijinja::Error) -> Self {
        tracing::error!("a page could not be written: {error:#}");
        Self::broken("This page could not be written", "The program's log says why; please report it.".to_owned())
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!("a page was not finished: {error}");
        Self::broken("This page was not finished", "The program's log says why; please report it.".to_owned())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let site = context! { here => "", me => "", lead => false, follow => "" };
        let page = Pages::new().render("message.html", context! { site, title => &self.title, says => &self.says });
        (self.status, page.map_or_else(|_| self.title.into_response(), |page| Html(page).into_response()))
            .into_response()
    }
}
