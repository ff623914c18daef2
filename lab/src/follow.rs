//! Runs as they happen: every live run writes its events to a file in the cache, one a line, and whoever wants to can follow the
//! newest, in this process or another.

use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::{Interval, interval},
};

use crate::{
    events::{Listener, Stamped},
    root,
};

/// How often the file is looked at. A file that another process writes tells nobody that it grew, on some file systems never.
const LOOK: Duration = Duration::from_millis(200);

/// The events of the newest run.
pub fn file() -> PathBuf {
    root::cache().join("newest-run.jsonl")
}

/// Writes the events of a run for whoever follows.
pub struct Followed(Mutex<Option<fs::File>>);

impl Followed {
    /// A run is about to begin; the one before it is forgotten.
    pub fn begin(path: &Path) -> Self {
        let made = fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).and_then(|()| {
            // A new file, not the old one emptied: who still reads that reads it to its end. Runs of a suite begin side by side.
            let fresh = path.with_extension(format!("{:08x}.new", fastrand::u32(..)));
            let open = fs::File::create(&fresh)?;
            fs::rename(&fresh, path)?;
            Ok(open)
        });
        Self(Mutex::new(made.inspect_err(|error| tracing::warn!("nobody can follow this run: {error}")).ok()))
    }
}

impl Listener for Followed {
    fn on(&self, stamped: &Stamped) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = open.as_mut() else { return };
        let line = serde_json::to_string(stamped).map_err(std::io::Error::from);
        let written = line.and_then(|line| file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            tracing::warn!("nobody can follow this run any more: {error}");
            *open = None;
        }
    }
}

/// Reads the events of the newest run while they are written, and goes on to the next run when there is one.
pub struct Follower {
    path: PathBuf,
    open: Option<(u64, BufReader<tokio::fs::File>)>,
    line: String,
    look: Interval,
}

impl Follower {
    /// From the first event of the newest run on.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None, line: String::new(), look: interval(LOOK) }
    }

    /// The next event, as soon as there is one.
    pub async fn next(&mut self) -> Stamped {
        loop {
            while let Some((_, reader)) = &mut self.open
                && reader.read_line(&mut self.line).await.is_ok_and(|read| read > 0)
            {
                // What does not end a line is the beginning of one that is being written.
                if self.line.ends_with('\n') {
                    let event = serde_json::from_str(&self.line);
                    self.line.clear();
                    if let Ok(event) = event {
                        return event;
                    }
                }
            }
            self.look.tick().await;
            self.open_newer().await;
        }
    }

    /// Opens the file where it is another one than the one that was read.
    async fn open_newer(&mut self) {
        let Ok(file) = tokio::fs::File::open(&self.path).await else { return };
        let Ok(number) = file.metadata().await.map(|metadata| metadata.ino()) else { return };
        if self.open.as_ref().is_none_or(|(known, _)| *known != number) {
            self.open = Some((number, BufReader::new(file)));
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Event, Journal};

    #[tokio::test]
    async fn a_run_is_followed_while_it_writes_and_the_next_after_it() {
        let folder = std::env::temp_dir().join(format!("lab-follow-{}", std::process::id()));
        let path = folder.join("run.jsonl");
        let mut follower = Follower::new(&path);
        for name in ["one", "two"] {
            let journal = Journal::new(vec![Box::new(Followed::begin(&path))]);
            for event in
                [Event::RunStarted { scenario: name.to_owned() }, Event::SymptomSeen { says: "502".to_owned() }]
            {
                journal.record(event);
                let seen = follower.next().await;
                assert_eq!(Some(&seen), journal.history().last());
            }
        }
        fs::remove_dir_all(&folder).expect("it can be removed");
    }
}
