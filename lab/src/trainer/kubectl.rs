//! The real kubectl, on the recording, served on a port of this machine, or on the lab's own cluster; with that kubeconfig and a
//! home folder of its own, so that no other cluster is ever asked.

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

use super::{Live, signals};

/// Options that would lead to another cluster.
const ELSEWHERE: [&str; 9] =
    ["--as", "--cluster", "--context", "--kubeconfig", "--kuberc", "--server", "--token", "--user", "-s"];

/// What is looked at, and, from when kubectl is first asked for, how.
pub(super) struct Kubectl {
    cluster: Cluster,
    running: Option<Running>,
}

/// What is looked at.
enum Cluster {
    /// Machines only.
    None,
    /// What the files say.
    Recorded(Files),
    /// The one of this kubeconfig.
    Live(PathBuf),
}

struct Running {
    folder: PathBuf,
    kubeconfig: PathBuf,
    /// The recording, and how many of the requests to it were told already.
    served: Option<(Served, usize)>,
}

impl Kubectl {
    /// Of an exercise that is live where `live` is given; nothing is served yet.
    pub(super) fn new(files: &Files, live: Option<&Live>) -> Self {
        let cluster = match live {
            _ if !files.contains_key("objects.json") => Cluster::None,
            Some(Live { kubeconfig: Some(kubeconfig), .. }) => Cluster::Live(kubeconfig.clone()),
            _ => Cluster::Recorded(files.clone()),
        };
        Self { cluster, running: None }
    }

    /// Runs kubectl with these arguments; what it showed, by what it tells, and what it printed.
    ///
    /// # Errors
    /// When there is no cluster in the recording, no kubectl on this machine, or it is asked about another cluster.
    pub(super) fn run(&mut self, arguments: &[String]) -> Result<(Vec<Look>, String), LabError> {
        self.check(arguments)?;
        let running = match self.running.take() {
            Some(running) => running,
            // When it is asked for again, it is tried again.
            None => start(&self.cluster).inspect_err(|_| signals::remove_folder())?,
        };
        let running = self.running.insert(running);
        let follows = arguments.iter().any(|a| matches!(a.as_str(), "-w" | "--watch" | "-f" | "--follow"));
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .env("KUBECONFIG", &running.kubeconfig)
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
        let looks = running.looks(arguments);
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        Ok((looks, said))
    }

    fn check(&self, arguments: &[String]) -> Result<(), LabError> {
        if matches!(self.cluster, Cluster::None) {
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

/// A home in a folder that only this user may read; a recording is served, with its kubeconfig there.
fn start(cluster: &Cluster) -> Result<Running, LabError> {
    let folder = env::temp_dir().join(format!("lab-train-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| LabError::file(&folder, error))?;
    signals::goes_with_us(folder.clone());
    let own = folder.join("kubeconfig");
    Ok(match cluster {
        Cluster::Live(kubeconfig) => Running { folder, kubeconfig: kubeconfig.clone(), served: None },
        Cluster::None => Running { folder, kubeconfig: own, served: None },
        Cluster::Recorded(files) => {
            let served = serve::start(files, None)?;
            served.write_kubeconfig(&own)?;
            Running { folder, kubeconfig: own, served: Some((served, 0)) }
        }
    })
}

impl Running {
    /// What a command showed, one look a topic: by its requests where they are seen, else by its words.
    fn looks(&mut self, arguments: &[String]) -> Vec<Look> {
        let Some((served, told)) = &mut self.served else { return Look::kubectl(arguments) };
        let asked = served.asked();
        let topics: BTreeSet<Topic> =
            asked[*told..].iter().filter_map(|asked| Look::request(&asked.path)).map(|look| look.topic).collect();
        *told = asked.len();
        let command = format!("kubectl {}", arguments.join(" "));
        topics.into_iter().map(|topic| Look { topic, asked: command.clone(), host: None }).collect()
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
