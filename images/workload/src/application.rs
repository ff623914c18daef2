//! What an application answers: by itself, out of its database, or what an upstream answered.

use axum::http::{Method, StatusCode};

use crate::{
    behaviour::Behaviour,
    cpu,
    database::Database,
    limits::Limits,
    outcome,
    request::{Patience, Request, send},
    serve::{Route, Serve},
    spool,
};

/// A server with what it counts and who it asks.
pub struct Application {
    /// Its settings.
    pub serve: Serve,
    limits: Limits,
    database: Option<Database>,
}

/// What is answered: the status, where the request was sent on to, and what went wrong.
pub type Answer = (StatusCode, Option<String>, Option<String>);

impl Application {
    /// With these settings.
    pub fn new(serve: Serve) -> Result<Self, String> {
        let password = std::env::var("DATABASE_PASSWORD").ok();
        let database = match (&serve.database_url, &serve.query) {
            (Some(url), Some(query)) => Some(Database::new(url, password.as_deref(), query, serve.query_timeout)?),
            _ => None,
        };
        Ok(Self { limits: Limits::new(serve.rate_limit, serve.max_concurrent), database, serve })
    }

    /// Answers one request.
    pub async fn answer(&self, method: &Method, path: &str, id: &str, user: Option<&str>, body: usize) -> Answer {
        let _place = match self.limits.take() {
            Ok(place) => place,
            Err((status, error)) => return (status, None, Some(error)),
        };
        let own = Behaviour::now(&self.serve.behaviour);
        tokio::time::sleep(own.delay.unwrap_or(self.serve.delay)).await;
        cpu::compute(self.serve.compute);
        if fastrand::f64() < own.error_rate.unwrap_or(self.serve.error_rate) {
            return (StatusCode::INTERNAL_SERVER_ERROR, None, Some("failed: this request was unlucky".to_owned()));
        }
        let routes = &self.serve.routes;
        if let Some(route) = routes.iter().find(|route| route.method == *method && route.path == path) {
            return self.pass_on(route, Request { method, url: &route.upstream, id, user, bytes: body }).await;
        }
        let kinds = &self.serve.kinds;
        let known = kinds.is_empty() || kinds.iter().any(|(m, p)| m == method && p == path);
        if !known {
            return (StatusCode::NOT_FOUND, None, Some("failed: there is no such page".to_owned()));
        }
        let (upstream, error) = self.work(method, id).await;
        if error.is_some() {
            return (StatusCode::INTERNAL_SERVER_ERROR, upstream, error);
        }
        let usual = if method == Method::POST { StatusCode::CREATED } else { StatusCode::OK };
        let status = own.status.or(self.serve.status).and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(usual);
        let error = status.is_server_error().then(|| "failed: internal error".to_owned());
        (status, upstream, error)
    }

    /// What an upstream answers; 502 where it cannot be connected to, 504 where it does not answer in time.
    async fn pass_on(&self, route: &Route, request: Request<'_>) -> Answer {
        let patience = Patience { connect: self.serve.connect_timeout, whole: self.serve.upstream_timeout };
        let upstream = Some(outcome::authority(&route.upstream));
        match send(request, patience).await {
            Ok(response) => (response.status(), upstream, None),
            Err(failure) => {
                let late = failure.outcome == "timeout" && failure.connected;
                let status = if late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
                (status, upstream, Some(failure.told()))
            }
        }
    }

    /// What a POST does before it is answered, whom it asked, and what went wrong.
    async fn work(&self, method: &Method, id: &str) -> (Option<String>, Option<String>) {
        if method != Method::POST {
            return (None, None);
        }
        if let Some(folder) = &self.serve.spool
            && let Err(error) = spool::write_and_remove(folder, id)
        {
            return (None, Some(format!("cannot write to {}: {error}", folder.display())));
        }
        match &self.database {
            Some(database) => (Some(database.address()), database.ask().await.err()),
            None => (None, None),
        }
    }
}
