//! Another diagnoser: a command that is given an evidence folder and prints a diagnosis of format 1. It is anyone's program, so
//! that it fails, hangs or prints something else is an outcome like others.
//!
//! What may not enter: the truth. It sees the evidence alone, in a folder whose name says nothing.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use diagnoser::{Diagnosis, diagnosis};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::timeout,
};

use crate::{LabError, replay::Files};

/// No diagnosis is longer.
const MOST: usize = 16 << 20;
/// Of what it says on stderr so much is kept, the end.
const TAIL: usize = 8 << 10;
/// What a shell exits with when there is no such command, or it may not be run (POSIX, Shell Command Language, 2.8.2).
const NOT_RUN: [i32; 2] = [126, 127];

/// A command line for `sh`, to which the folder is appended as last argument.
#[derive(Clone, Debug)]
pub struct OtherDiagnoser {
    /// The command line.
    pub command: String,
    /// How long it may take for one folder.
    pub patience: Duration,
}

impl OtherDiagnoser {
    /// What it says of this evidence; inside, why it gave no answer.
    ///
    /// # Errors
    /// When the folder cannot be written, or the command cannot be run at all.
    pub async fn diagnose(&self, evidence: &Files) -> Result<Result<Diagnosis, String>, LabError> {
        let place = Place::with(evidence)?;
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{} \"$@\"", self.command), "sh"]).arg(place.evidence()).current_dir(&place.0);
        // A group of its own, so that whatever it started ends with it.
        command
            .process_group(0)
            .env_remove("LAB_ROOT")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Group(command.spawn().map_err(|error| self.cannot_run(&error.to_string()))?);
        let (out, err) = (child.0.stdout.take(), child.0.stderr.take());
        let ended = timeout(self.patience, async { tokio::join!(beginning(out), end(err), child.0.wait()) });
        let Ok((out, err, status)) = ended.await else {
            return Ok(Err(format!("no answer within {:?}", self.patience)));
        };
        let last_line = err.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned();
        let status = status.map_err(|error| self.cannot_run(&error.to_string()))?;
        match status.code() {
            Some(code) if NOT_RUN.contains(&code) => Err(self.cannot_run(&last_line)),
            // As with `lab diagnose --exit-code`: an answer that is not healthy may be told by the code as well.
            Some(0 | 1) if !out.is_empty() => Ok(parse(&out).map_err(|why| with(&why, &last_line))),
            Some(0) => Ok(Err(with("nothing on stdout", &last_line))),
            Some(code) => Ok(Err(with(&format!("exit code {code}"), &last_line))),
            None => Ok(Err(with(&format!("ended by {status}"), &last_line))),
        }
    }

    fn cannot_run(&self, why: &str) -> LabError {
        LabError::BadInput {
            place: format!("--diagnoser {}", self.command),
            what: if why.is_empty() { "it cannot be run".to_owned() } else { why.to_owned() },
            next: "It is run by sh, with an evidence folder as last argument, in a folder of its own: name it by a full path."
                .to_owned(),
        }
    }
}

/// The answer, where it is one.
fn parse(out: &[u8]) -> Result<Diagnosis, String> {
    if out.len() > MOST {
        return Err(format!("more than {} MiB on stdout", MOST >> 20));
    }
    let answer: Diagnosis = serde_json::from_slice(out).map_err(|error| format!("no diagnosis on stdout: {error}"))?;
    if answer.format == diagnosis::FORMAT {
        Ok(answer)
    } else {
        Err(format!("a diagnosis of format {}, {} is wanted", answer.format, diagnosis::FORMAT))
    }
}

fn with(why: &str, last_line: &str) -> String {
    if last_line.is_empty() { why.to_owned() } else { format!("{why}: {last_line}") }
}

/// All that is written, up to one byte more than is an answer.
async fn beginning(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What cannot be read is not there: it is then no answer. The rest is read away, so that the writer ends.
        (&mut from).take(MOST as u64 + 1).read_to_end(&mut bytes).await.ok();
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await.ok();
    }
    bytes
}

/// The end of what is written.
async fn end(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut tail = Vec::new();
    if let Some(mut from) = from {
        let mut chunk = vec![0; TAIL];
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            tail.extend_from_slice(&chunk[..read]);
            tail.drain(..tail.len().saturating_sub(TAIL));
        }
    }
    String::from_utf8_lossy(&tail).into_owned()
}

/// A process and all that it started, which end with this value.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Without an id it has ended and was waited for.
        if let Some(id) = self.0.id() {
            let kill = format!("kill -KILL -{id}");
            if let Err(error) = std::process::Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status() {
                tracing::warn!("the diagnoser may still run as process group {id}: {error}");
            }
        }
    }
}

/// A folder with the evidence in it and nothing else, which goes with this value.
struct Place(PathBuf);

static COUNT: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn with(evidence: &Files) -> Result<Self, LabError> {
        let name = format!("lab-score-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        // It must not be there: another user may have made it.
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| LabError::file(&path, error))?;
        let place = Self(path);
        for (name, text) in evidence {
            let file = place.evidence().join(name);
            let written =
                fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).and_then(|()| fs::write(&file, text));
            written.map_err(|error| LabError::file(&file, error))?;
        }
        Ok(place)
    }

    fn evidence(&self) -> PathBuf {
        self.0.join("evidence")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} is left: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: &str = r#"{"format":1,"verdict":"healthy"}"#;

    async fn said(command: &str) -> Result<Result<Diagnosis, String>, LabError> {
        let other = OtherDiagnoser { command: command.to_owned(), patience: Duration::from_secs(20) };
        other.diagnose(&[("probes.json".to_owned(), HEALTHY.to_owned())].into()).await
    }

    #[tokio::test]
    async fn an_answer_is_an_answer_and_anything_else_says_why() {
        let answer = said("f() { cat \"$1/probes.json\"; }; f").await.expect("it is run").expect("an answer");
        assert_eq!(answer.verdict, diagnoser::Verdict::Healthy);
        for (command, why) in [
            ("echo a >&2; echo 'b c' >&2; exit 3; :", "exit code 3: b c"),
            ("echo {}; :", "no diagnosis on stdout: missing field `format`"),
            ("echo '{\"format\":2,\"verdict\":\"healthy\"}'; :", "a diagnosis of format 2, 1 is wanted"),
            ("true", "nothing on stdout"),
            ("kill -TERM $$; :", "ended by signal"),
        ] {
            let said = said(command).await.expect("it is run").expect_err("no answer");
            assert!(said.starts_with(why), "{command}: {said}");
        }
        assert!(said("/no/such/program").await.is_err_and(|error| error.to_string().contains("not found")));
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_with_all_that_it_started() {
        let file = std::env::temp_dir().join(format!("lab-hang-{}", std::process::id()));
        // What it started holds its stdout open.
        let command = format!("sleep 600 & echo $! >{}; wait; :", file.display());
        let other = OtherDiagnoser { command, patience: Duration::from_millis(500) };
        let said = other.diagnose(&Files::new()).await.expect("it is run");
        assert_eq!(said.expect_err("no answer"), "no answer within 500ms");
        let started = fs::read_to_string(&file).expect("a process id");
        fs::remove_file(&file).expect("it can be removed");
        // Ended, or ended and not yet waited for by whoever has it now.
        let gone = async {
            while fs::read_to_string(format!("/proc/{}/stat", started.trim())).is_ok_and(|stat| !stat.contains(") Z "))
            {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), gone).await.expect("it was ended");
    }
}
