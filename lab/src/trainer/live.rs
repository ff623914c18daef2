//! What is real where the exercise is a live world: commands on its machines, and the kubeconfig of its cluster.

use std::path::PathBuf;

use tokio::runtime::Handle;

use crate::{
    LabError,
    gate::Practice,
    rigs::Node,
    train::{Look, Topic},
};

/// How long a command on a machine may take: what waits for ever would keep the prompt.
const LIMIT: &str = "30";

/// Hands in a world that runs.
pub struct Live {
    /// The kubeconfig of its cluster, where there is one.
    pub kubeconfig: Option<PathBuf>,
    nodes: Vec<Node>,
    runtime: Handle,
}

impl Live {
    /// Of a run that is practised on, from within its runtime.
    pub fn of(practice: &Practice) -> Self {
        Self { kubeconfig: practice.kubeconfig.clone(), nodes: practice.nodes.clone(), runtime: Handle::current() }
    }

    /// The names of its machines.
    pub fn machines(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.name.as_str())
    }

    /// What a command prints on a machine, where the first of the words names one and others follow.
    ///
    /// # Errors
    /// When the machine cannot be reached. A command that fails says so itself.
    pub(super) fn show(&self, words: &[String]) -> Option<Result<(Look, String), LabError>> {
        let (host, command) = words.split_first().filter(|(_, command)| !command.is_empty())?;
        let node = self.nodes.iter().find(|node| node.name == *host)?;
        let run = ["timeout", "-k", "1", LIMIT].into_iter().map(str::to_owned).chain(command.iter().cloned());
        let output = self.runtime.block_on(node.run(&run.collect::<Vec<_>>()));
        Some(output.map(|output| {
            let failed = if output.code == 0 { String::new() } else { format!("{}\n", output.why()) };
            (look(host, command), output.stdout + if output.stderr.is_empty() { &failed } else { &output.stderr })
        }))
    }
}

/// What a command on a machine tells: as the reading of the same name does.
fn look(host: &str, command: &[String]) -> Look {
    let words: Vec<&str> = command.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let reading = match words[..] {
        ["cat", file, ..] => file.trim_start_matches("/etc/").trim_end_matches(".conf").to_owned(),
        ["journalctl", ..] => "journal".to_owned(),
        _ => words.iter().take(2).copied().collect::<Vec<_>>().join("-"),
    };
    Look {
        topic: Topic::of_file(&format!("hosts/{host}/{reading}")),
        asked: format!("show {host} {}", command.join(" ")),
        host: Some(host.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tells_what_the_reading_of_its_name_tells() {
        for (line, topic) in [
            ("ss -tlnp", Topic::Sockets),
            ("ip -s link", Topic::Network),
            ("cat /etc/resolv.conf", Topic::Network),
            ("journalctl -u app", Topic::Logs),
            ("systemctl status nginx", Topic::Health),
            ("nft list ruleset", Topic::Filters),
            ("df -i", Topic::Resources),
        ] {
            let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let look = look("app", &command);
            assert_eq!((look.topic, look.asked), (topic, format!("show app {line}")));
        }
    }
}
