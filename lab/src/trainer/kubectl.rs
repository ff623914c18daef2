//! The real kubectl, on the recording: served on a port of this machine, with a kubeconfig and a home folder of its own, so that
//! no other cluster is ever asked.

use std::{
    collections::BTreeSet,
    env, fs, io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    LabError,
    replay::Files,
    serve::{self, Served},
    train::{Look, Topic},
};

use super::signals;

/// Options that would lead to another cluster.
const ELSEWHERE: [&str; 9] =
    ["--as", "--cluster", "--context", "--kubeconfig", "--kuberc", "--server", "--token", "--user", "-s"];

/// What the files say, until kubectl is first asked for: then they are served.
pub(super) struct Kubectl {
    files: Files,
    running: Option<Running>,
}

struct Running {
    served: Served,
    folder: PathBuf,
    /// How many of the requests were told already.
    told: usize,
}

impl Kubectl {
    /// Nothing is served yet.
    pub(super) fn new(files: &Files) -> Self {
        Self { files: files.clone(), running: None }
    }

    /// Runs kubectl with these arguments; what it showed, by what it tells, and what it printed.
    ///
    /// # Errors
    /// When there is no cluster in the recording, no kubectl on this machine, or it is asked about another cluster.
    pub(super) fn run(&mut self, arguments: &[String]) -> Result<(Vec<Look>, String), LabError> {
        self.check(arguments)?;
        let running = match self.running.take() {
            Some(running) => running,
            None => start(&self.files)?,
        };
        let running = self.running.insert(running);
        let follows = arguments.iter().any(|a| matches!(a.as_str(), "-w" | "--watch" | "-f" | "--follow"));
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .env("KUBECONFIG", running.folder.join("kubeconfig"))
            .env("HOME", &running.folder)
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::null());
        if follows && io::IsTerminal::is_terminal(&io::stdout()) {
            command.stdout(Stdio::inherit());
        } else {
            command.stdout(Stdio::piped());
        }
        let done = signals::while_busy(|| command.stderr(Stdio::piped()).output()).map_err(|error| lacking(&error))?;
        let looks = running.looks(&format!("kubectl {}", arguments.join(" ")));
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        Ok((looks, said))
    }

    fn check(&self, arguments: &[String]) -> Result<(), LabError> {
        if !self.files.contains_key("objects.json") {
            return Err(LabError::BadInput {
                place: "kubectl".to_owned(),
                what: "there is no cluster here, there are machines".to_owned(),
                next: "show lists them; show HOST COMMAND is what a command printed there.".to_owned(),
            });
        }
        let leads_away = |argument: &&String| {
            let option = argument.split('=').next().unwrap_or_default();
            ELSEWHERE.contains(&option) || option.starts_with("-s") && !option.starts_with("--")
        };
        match arguments.iter().find(leads_away) {
            Some(option) => Err(LabError::BadInput {
                place: format!("kubectl {option}"),
                what: "this kubectl looks at the exercise only".to_owned(),
                next: "Ask without it; for your own clusters use another terminal.".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        signals::remove_folder();
    }
}

/// Serves the files, with a kubeconfig in a folder that only this user may read.
fn start(files: &Files) -> Result<Running, LabError> {
    let folder = env::temp_dir().join(format!("lab-train-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| LabError::file(&folder, error))?;
    signals::goes_with_us(folder.clone());
    let served = serve::start(files, None)?;
    served.write_kubeconfig(&folder.join("kubeconfig"))?;
    Ok(Running { served, folder, told: 0 })
}

impl Running {
    /// What the requests since the last command showed: one look a topic.
    fn looks(&mut self, command: &str) -> Vec<Look> {
        let asked = self.served.asked();
        let topics: BTreeSet<Topic> =
            asked[self.told..].iter().filter_map(|asked| Look::request(&asked.path)).map(|look| look.topic).collect();
        self.told = asked.len();
        topics.into_iter().map(|topic| Look { topic, asked: command.to_owned(), host: None }).collect()
    }
}

fn lacking(error: &io::Error) -> LabError {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "there is no program kubectl".to_owned(),
        _ => format!("kubectl cannot be run: {error}"),
    };
    LabError::Lacks {
        what,
        command: "show objects, show logs   (the same without it; https://kubernetes.io/docs/tasks/tools has kubectl)"
            .to_owned(),
    }
}
