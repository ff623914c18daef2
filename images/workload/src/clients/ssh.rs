//! SSH: a log-in that runs `true`, by the system's own `ssh`, through a jump host where one is named.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{Attempted, Said, Target, Task, target::Host};

/// What ssh says of its own steps.
const DEBUG: &str = "debug1: ";
/// Its words, and what they are in ours; the first that fits.
const WORDS: [(&str, &str); 10] = [
    ("administratively prohibited", "failed"),
    ("Proxy error", "failed"),
    (": not found", "failed"),
    ("Connection refused", "refused"),
    ("timed out", "timeout"),
    ("No route to host", "unreachable"),
    ("Network is unreachable", "unreachable"),
    ("Could not resolve hostname", "name-not-found"),
    ("Name or service not known", "name-not-found"),
    ("Connection reset by", "reset"),
];
/// Words of an orderly end that came too early; weaker than any of the others.
const CLOSED: [&str; 3] = ["Connection closed by", "closed by remote host", "Broken pipe"];

/// Logs in and runs `true`.
pub async fn log_in(target: &Target, task: &Task) -> Attempted {
    let (host, port) = &target.hosts[0];
    let mut command = Command::new("ssh");
    command.args(arguments(target, task.left().as_secs().max(1)));
    command.args(["-p", &port.to_string(), &at(target.user.as_deref(), host), "true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    task.progress.at(format!("ssh to {host}"));
    let mut child = command.spawn().map_err(|error| Said::failed(format!("cannot start ssh: {error}")))?;
    let mut words = Vec::new();
    if let Some(errors) = child.stderr.take() {
        let mut lines = BufReader::new(errors).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match line.trim_end().strip_prefix(DEBUG) {
                Some(step) => follow(step, task),
                None => words.push(line.trim_end().to_owned()),
            }
        }
    }
    let status = child.wait().await.map_err(|error| Said::failed(error.to_string()))?;
    if status.success() {
        return Ok(Said::new("answered", "logged in"));
    }
    let step = task.progress.late().1;
    Err(judge(&words, &step))
}

/// The options before the destination.
fn arguments(target: &Target, seconds: u64) -> Vec<String> {
    let mut all = vec!["-v".to_owned()];
    let mut option = |text: String| all.extend(["-o".to_owned(), text]);
    for text in common(target, seconds) {
        option(text);
    }
    for text in target.all("option") {
        option(text.to_owned());
    }
    if let Some(identity) = target.setting("identity") {
        option("IdentitiesOnly=yes".to_owned());
        option(format!("IdentityFile={identity}"));
    }
    // What -J would do, with the options of this log-in: -J takes those of the jump host from files alone.
    if let Some(jump) = target.setting("jump") {
        let identity = target.setting("jump_identity").or_else(|| target.setting("identity"));
        let mut words = vec!["ssh".to_owned(), "-v".to_owned()];
        let identity = identity.map(|path| format!("IdentityFile={path}"));
        words.extend(common(target, seconds).into_iter().chain(identity).flat_map(|text| ["-o".to_owned(), text]));
        let (destination, port) = jump.rsplit_once(':').unwrap_or((jump, "22"));
        words.extend(["-p", port, "-W", "[%h]:%p", destination].map(str::to_owned));
        option(format!("ProxyCommand={}", words.join(" ")));
    }
    if let Some(proxy) = target.setting("proxy") {
        option(format!("ProxyCommand=nc -X connect -x {proxy} %h %p"));
    }
    all
}

/// Options of every log-in, the jump host's too.
fn common(target: &Target, seconds: u64) -> Vec<String> {
    let mut all = vec![
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=accept-new".to_owned(),
        format!("ConnectTimeout={seconds}"),
    ];
    all.extend(target.setting("known_hosts").map(|path| format!("UserKnownHostsFile={path}")));
    all
}

/// What a step that ssh tells means for the progress.
fn follow(step: &str, task: &Task) {
    if let Some((name, address, port)) = connecting(step) {
        task.progress.peer(super::target::written(&(address.clone(), port)));
        task.progress.at(format!("connecting to {name} ({address}) port {port}"));
    } else if step.starts_with("Connection established") {
        task.progress.at("connected, waiting for the server's version");
    } else if step.starts_with("Remote protocol version") {
        task.progress.at("connected, agreeing on keys");
    } else if step.starts_with("Authentications that can continue") || step.starts_with("Next authentication method") {
        task.progress.at("connected, authenticating");
    } else if step.starts_with("Entering interactive session") {
        let whom = task.progress.address().unwrap_or_default();
        task.progress.at(format!("logged in to {whom}, waiting for what was asked there"));
    }
}

/// `Connecting to db [10.80.2.10] port 22.`
fn connecting(step: &str) -> Option<(&str, String, u16)> {
    let (name, rest) = step.strip_prefix("Connecting to ")?.split_once(" [")?;
    let (address, port) = rest.split_once("] port ")?;
    let (address, port): Host = (address.to_owned(), port.trim_end_matches('.').parse().ok()?);
    Some((name, address, port))
}

/// What ssh's last words come to.
fn judge(lines: &[String], step: &str) -> Said {
    let told: Vec<&str> = lines.iter().map(String::as_str).filter(|line| telling(line)).collect();
    let find = |words: &str| told.iter().any(|line| line.contains(words));
    let outcome = match WORDS.iter().find(|(words, _)| find(words)) {
        Some((_, outcome)) => outcome,
        None if CLOSED.iter().any(|words| find(words)) => "reset",
        None => "failed",
    };
    let last = told[told.len().saturating_sub(4)..].join("; ");
    Said::new(outcome, format!("{step}: {last}"))
}

/// Whether a line says why, and not what else ssh prints.
fn telling(line: &str) -> bool {
    let noise = ["OpenSSH_", "Warning: Permanently added", "Authenticated to ", "Transferred: ", "Bytes per second"];
    !line.is_empty() && !line.starts_with(['@', ' ']) && !noise.iter().any(|start| line.starts_with(start))
}

fn at(user: Option<&str>, host: &str) -> String {
    user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &[&str]) -> &'static str {
        judge(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), "x").outcome
    }

    #[test]
    fn the_last_words_of_ssh() {
        for (line, wanted) in [
            ("ssh: connect to host db port 22: Connection refused", "refused"),
            ("ssh: connect to host db port 22: Connection timed out", "timeout"),
            ("Connection timed out during banner exchange", "timeout"),
            ("ssh: connect to host db port 22: No route to host", "unreachable"),
            ("ssh: Could not resolve hostname db: Name or service not known", "name-not-found"),
            ("kex_exchange_identification: read: Connection reset by peer", "reset"),
            ("kex_exchange_identification: Connection closed by remote host", "reset"),
            ("app@db: Permission denied (publickey).", "failed"),
            ("Host key verification failed.", "failed"),
            ("nc: Proxy error: \"HTTP/1.1 403 Forbidden\"", "failed"),
        ] {
            assert_eq!(outcome(&[line]), wanted, "{line}");
        }
        let jump = [
            "channel 0: open failed: connect failed: Connection refused",
            "stdio forwarding failed",
            "Connection closed by UNKNOWN port 65535",
        ];
        assert_eq!(outcome(&jump), "refused");
    }

    #[test]
    fn a_jump_has_options_of_its_own() {
        let target: Target = "ssh://app@db:2222?identity=/k&jump=ops@gate:22022".parse().unwrap();
        let all = arguments(&target, 3).join(" ");
        assert!(all.contains("-o ProxyCommand=ssh -v -o BatchMode=yes"), "{all}");
        assert!(all.contains("-o IdentityFile=/k -p 22022 -W [%h]:%p ops@gate"), "{all}");
    }

    #[test]
    fn where_ssh_connects_to() {
        assert_eq!(connecting("Connecting to db [10.80.2.10] port 22."), Some(("db", "10.80.2.10".to_owned(), 22)));
    }
}
