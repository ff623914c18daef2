//! How much an application takes on: so many requests a second, so many at once.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::http::StatusCode;

/// Counts what is being served.
pub struct Limits {
    per_second: Option<u32>,
    at_once: Option<usize>,
    second: Mutex<(Instant, u32)>,
    now: AtomicUsize,
}

/// A place that is taken for as long as it is held.
pub struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limits {
    /// With these limits; none where absent.
    pub fn new(per_second: Option<u32>, at_once: Option<usize>) -> Self {
        Self { per_second, at_once, second: Mutex::new((Instant::now(), 0)), now: AtomicUsize::new(0) }
    }

    /// A place for one more request, or what to answer instead.
    pub fn take(&self) -> Result<Place<'_>, (StatusCode, String)> {
        if let Some(limit) = self.per_second {
            let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
            if second.0.elapsed().as_secs() >= 1 {
                *second = (Instant::now(), 0);
            }
            second.1 += 1;
            if second.1 > limit {
                return Err((StatusCode::TOO_MANY_REQUESTS, format!("failed: more than {limit} requests a second")));
            }
        }
        let now = self.now.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.now);
        match self.at_once {
            Some(limit) if now >= limit => {
                Err((StatusCode::SERVICE_UNAVAILABLE, format!("failed: too busy, {limit} requests are being served")))
            }
            _ => Ok(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_and_places_are_given_back() {
        let limits = Limits::new(None, Some(1));
        let first = limits.take();
        assert!(first.is_ok() && limits.take().is_err());
        drop(first);
        assert!(limits.take().is_ok());
        let limits = Limits::new(Some(2), None);
        assert!(limits.take().is_ok() && limits.take().is_ok());
        assert_eq!(limits.take().err().map(|(status, _)| status), Some(StatusCode::TOO_MANY_REQUESTS));
    }
}
