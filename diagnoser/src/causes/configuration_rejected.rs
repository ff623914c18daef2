//! A server does not start, because it does not accept its own configuration.
//!
//! # What it looks like
//! Connections are refused at once since the service was started last; the service manager says `failed`, ended by itself with an
//! exit status, within seconds of every start. What is wrong may have been written long before: configuration is read at the start.
//!
//! # Confirm by hand
//! `systemctl status UNIT` (code=exited), and `journalctl -u UNIT -e`: its last words name the option, the setting or the line.
//! Most servers check their configuration without starting: `nginx -t`, `haproxy -c -f FILE`, `sshd -t`, `java OPTIONS -version`.
//!
//! # Fix
//! Take the option out, or write it as this version of the server knows it, and start the service.
//!
//! # Who acts
//! Whoever changed the configuration, or the version of the server or its runtime.
//!
//! # Source
//! The words are those of the programs: HotSpot (arguments.cpp, `Unrecognized VM option`), Elasticsearch (AbstractScopedSettings),
//! nginx (ngx_conf_file.c), PostgreSQL (guc-file.l), OpenSSH (servconf.c), MongoDB (options_parser.cpp).

use super::{
    Case, Cause, Finding, Lack, Proof, State,
    listening::{self, Refused, Sockets, Why},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Ended, Fact, Since, Unit},
    model::Model,
};

/// See the module's comment.
pub struct ConfigurationRejected;

/// How programs say that they do not accept an option or a setting.
const WORDS: [&str; 13] = [
    "Unrecognized VM option '",
    "Unrecognized option: ",
    "Invalid maximum heap size",
    "Invalid initial heap size",
    "Conflicting collector combinations in option list",
    "unknown setting [",
    "[emerg] unknown directive \"",
    "[emerg] invalid number of arguments in \"",
    "[emerg] unexpected \"",
    "unrecognized configuration parameter \"",
    "Bad configuration option: ",
    "Error parsing YAML config file",
    "[emerg] invalid parameter \"",
];

impl Cause for ConfigurationRejected {
    fn id(&self) -> &'static str {
        "configuration-rejected"
    }

    fn source(&self) -> &'static str {
        include_str!("configuration_rejected.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let refused = listening::refused(case);
        refused.iter().map(|refused| refused.finding(case.model, examine(case.model, refused))).collect()
    }
}

/// Where a service that ended by itself says since its last start that it does not accept its configuration.
pub(super) fn said(model: &Model<'_>, host: &str, unit: &Unit) -> Fact<Option<Citation>> {
    if !unit.failed() || matches!(unit.ended, Some(Ended::Killed(_))) {
        return Fact::Seen(None);
    }
    let name = unit.name.trim_end_matches(".service");
    let rejects = |message: &str| WORDS.iter().any(|words| message.contains(words));
    model.evidence.hosts.last_said(host, name, Since::Start, rejects)
}

fn examine(model: &Model<'_>, refused: &Refused<'_>) -> State {
    let listening = match refused.sockets(model) {
        Sockets::Unseen(lack) => return State::Undecided(vec![lack]),
        Sockets::Nobody(listening) => listening,
        Sockets::Take(cited) => return State::excluded("a process listens there", vec![cited]),
        Sockets::Loopback(cited) | Sockets::Elsewhere(cited) => {
            return State::excluded("a process listens on the port, on another address", cited);
        }
    };
    let host = &refused.host;
    let (unit, state) = match refused.why(model, &listening) {
        Why::Down(unit, state) => (unit, state),
        Why::Unclear(lacks) => return State::Undecided(lacks),
        _ => return State::excluded("no service of it has failed", vec![refused.nobody()]),
    };
    let name = unit.name.trim_end_matches(".service");
    match said(model, host, &unit) {
        Fact::Missed(why) => {
            let command = format!("journalctl -u {name}");
            State::Undecided(vec![Lack::host_fact(host, &format!("journal-{name}"), &command, why)])
        }
        Fact::Seen(None) => State::excluded(format!("{name} does not complain of its configuration"), vec![state]),
        Fact::Seen(Some(words)) => {
            let (fix, option) = fix(model, host, name, &words);
            let mut evidence = vec![words, state, refused.nobody()];
            evidence.extend(option);
            evidence.extend(refused.asked.first().into_iter().flat_map(|connection| connection.cites()));
            State::Holds(Box::new(Proof { evidence, fix, wants: vec![], changed: None }))
        }
    }
}

/// Takes an option of the Java machine out of the file it stands in, where that is known; the rest is for a person.
fn fix(model: &Model<'_>, host: &str, name: &str, words: &Citation) -> (Fix, Option<Citation>) {
    let person = || Fix { summary: format!("Mend the configuration of {name} on {host}, and start it"), patch: vec![] };
    let option = words.says.split_once("Unrecognized VM option '").and_then(|(_, rest)| rest.split('\'').next());
    let option =
        option.filter(|option| !option.is_empty() && option.chars().all(|c| c.is_ascii_alphanumeric() || c == '='));
    let text = model.evidence.services.text(host, "jvm-options").seen();
    let Some((option, text)) = option.zip(text) else { return (person(), None) };
    // `grep -H` puts the file before the line.
    let found = text.lines().enumerate().find_map(|(line, said)| {
        let (file, rest) = said.split_once(':')?;
        let whole = rest.trim().trim_start_matches("-XX:").trim_start_matches(['+', '-']);
        (file.starts_with('/') && rest.trim().starts_with("-XX:") && whole == option).then_some((line + 1, file, said))
    });
    let Some((line, file, said)) = found else { return (person(), None) };
    let cited = model.evidence.services.cite(host, "jvm-options", line, said);
    let script = format!(
        "sed -i 's/^-XX:[+-]*{option}$/# &/' {file} && systemctl restart {name} && \
         timeout 80 bash -c 'until systemctl -q is-active {name}; do sleep 1; done'"
    );
    let summary =
        format!("Take the option {option} out of {file} on {host}, which this Java does not know, and start {name}");
    (Fix { summary, patch: vec![Change::shell(host, script)] }, Some(cited))
}

#[cfg(test)]
mod tests {
    use crate::sketch::{check, patch};

    const WORLD: &str = "machine client 10.80.1.10/24
        machine app 10.80.1.20/24
        probe host/client -> http://app.example.test:9200/  refused in 1ms  at 10.80.1.20:9200
        file hosts/app/systemctl.txt | web.service loaded failed failed The server
        file hosts/app/systemctl-web.txt | * web.service - x | Active: failed (Result: exit-code) since Thu 2026-01-01 11:59:00 UTC; 1min ago | Main PID: 9 (code=exited, status=1/FAILURE)
        file hosts/app/dmesg.txt |";

    /// A start that ends with these words.
    fn said(words: &str) -> String {
        format!(
            "file hosts/app/journal-web.txt | 2026-01-01T11:58:58+00:00 app systemd[1]: Started web.service. | 2026-01-01T11:58:59+00:00 app java[9]: {words} | 2026-01-01T11:59:00+00:00 app systemd[1]: web.service: Failed with result 'exit-code'."
        )
    }

    #[test]
    fn holds() {
        let words = said("Unrecognized VM option 'UseConcMarkSweepGC'");
        check(&format!("{WORLD}\n{words}\n=> configuration-rejected host/app"));
        let words = said("nginx: [emerg] unknown directive \"lisen\" in /etc/nginx/nginx.conf:3");
        check(&format!("{WORLD}\n{words}\n=> configuration-rejected host/app"));
    }

    #[test]
    fn the_option_is_taken_out() {
        let words = said("Unrecognized VM option 'UseConcMarkSweepGC'");
        let option = "file services/app/jvm-options.txt | /etc/x/gc.options:-XX:+UseConcMarkSweepGC";
        let patch = patch(&format!("{WORLD}\n{words}\n{option}"));
        assert!(patch.contains("/etc/x/gc.options && systemctl restart web"), "{patch}");
    }

    #[test]
    fn twin_it_ended_for_another_reason() {
        check(&format!("{WORLD}\n{}\n=> process-not-listening host/app", said("cannot reach the licence server")));
    }

    #[test]
    fn unknown_without_its_sockets() {
        let words = said("Unrecognized VM option 'UseConcMarkSweepGC'");
        check(&format!("{WORLD}\n{words}\nwithout hosts/app/ss.txt\n=> unknown lacks hosts/app/ss.txt"));
    }

    #[test]
    fn unknown_without_its_journal() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/app/journal-web.txt"));
    }
}
