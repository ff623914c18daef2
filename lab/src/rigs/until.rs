//! Waiting on a condition of a live system, with a limit, and with what was last seen in the error.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::LabError;

/// How long to leave a live system alone between two looks at it.
const BETWEEN: Duration = Duration::from_millis(400);

/// What one look came to.
pub enum Now<T> {
    /// The condition holds.
    Holds(T),
    /// Not yet; this is what was seen.
    NotYet(String),
}

/// Looks again and again until the condition holds. Only for what cannot be watched.
///
/// # Errors
/// When it does not hold within `limit`, naming what was waited for and what was last seen; or when looking fails.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Now<T>, LabError>,
) -> Result<T, LabError> {
    let deadline = Instant::now() + limit;
    loop {
        match look().await? {
            Now::Holds(value) => return Ok(value),
            Now::NotYet(seen) if Instant::now() >= deadline => return Err(too_late(what, limit, &seen)),
            Now::NotYet(_) => sleep(BETWEEN).await,
        }
    }
}

/// The error of a wait that was too long.
pub(super) fn too_late(what: &str, limit: Duration, seen: &str) -> LabError {
    LabError::Live {
        what: format!("waiting for {what}"),
        why: format!("not within {} s; last seen: {seen}", limit.as_secs()),
        next: "Run it again; with --keep the world stays up to look around in.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn says_what_was_waited_for_and_last_seen() {
        let mut looks = 0;
        let three = until("three looks", Duration::from_secs(5), async || {
            looks += 1;
            Ok(if looks == 3 { Now::Holds(looks) } else { Now::NotYet(format!("{looks} looks")) })
        });
        assert_eq!(three.await.expect("it holds in the end"), 3);
        let never = until("rain", Duration::ZERO, async || Ok(Now::<()>::NotYet("sun".to_owned())));
        let error = never.await.expect_err("it never holds").to_string();
        assert_eq!(error, "waiting for rain: not within 0 s; last seen: sun");
    }
}
