//! What the causes share by which a server itself ends connections that it has accepted.

use std::net::IpAddr;

use super::{Finding, Lack, State, nginx};
use crate::{
    connections::{Attempt, Connection},
    evidence::{Citation, Fact, Outcome, RequestRecord},
    model::Model,
    propagation::Mode,
    symptoms::Observation,
    ways::Ways,
};

/// The configuration file that nginx reads first, as packagers set it.
const NGINX: &str = "/etc/nginx/nginx.conf";

/// A connection to a machine that was closed or reset, once or more.
pub(super) struct Cut<'m> {
    pub connection: &'m Connection,
    /// The machine that serves it.
    pub host: &'m str,
    /// The attempts that ended so, oldest first.
    pub resets: Vec<&'m Attempt>,
    /// The process that listens, or why that is not known.
    pub process: Fact<Option<String>>,
}

impl Cut<'_> {
    /// Whether it may be this program that serves.
    pub fn may_be(&self, program: &str) -> bool {
        match &self.process {
            Fact::Seen(Some(process)) => process == program,
            Fact::Seen(None) | Fact::Missed(_) => true,
        }
    }

    /// Readings of the attempts, the last ones.
    pub fn cites(&self) -> Vec<Citation> {
        self.resets.iter().rev().take(2).map(|attempt| attempt.cited.clone()).collect()
    }
}

/// What a cause says of the machine of each such connection.
pub(super) fn examine(model: &Model<'_>, look: impl Fn(&Model<'_>, &Cut<'_>) -> State) -> Vec<Finding> {
    let found = cut(model).into_iter().map(|cut| Finding {
        subject: model.evidence.machine(cut.host),
        effects: vec![(cut.connection.subject(), Mode::Broken)],
        state: look(model, &cut),
    });
    found.collect()
}

/// All such connections.
fn cut<'m>(model: &'m Model<'_>) -> Vec<Cut<'m>> {
    let connections = model.connections().iter().filter(|connection| connection.client().is_some());
    connections
        .filter_map(|connection| {
            let (host, port) = (connection.host(model)?, connection.port?);
            let reset = |attempt: &&Attempt| attempt.failed && attempt.seen() == Observation::Failed(Outcome::Reset);
            let resets: Vec<&Attempt> = connection.attempts.iter().filter(reset).collect();
            (!resets.is_empty()).then(|| Cut { connection, host, resets, process: process(model, host, port) })
        })
        .collect()
}

/// The process that listens on a port of a machine.
pub(super) fn process(model: &Model<'_>, host: &str, port: u16) -> Fact<Option<String>> {
    match model.evidence.hosts.listeners(host, "ss") {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(all) => Fact::Seen(all.into_iter().find(|each| each.port == port).and_then(|each| each.process)),
    }
}

/// nginx's configuration, as `nginx -T` prints it.
pub(super) struct Configuration<'e> {
    text: &'e str,
    host: &'e str,
    pub directives: Vec<nginx::Directive>,
}

impl<'e> Configuration<'e> {
    pub fn of(model: &'e Model<'_>, host: &'e str) -> Fact<Self> {
        match model.evidence.services.text(host, "nginx.conf") {
            Fact::Missed(why) => Fact::Missed(why),
            Fact::Seen(text) => Fact::Seen(Self { text, host, directives: nginx::parse(text) }),
        }
    }

    /// What to collect where it is missing.
    pub fn lack(host: &str, why: String) -> Lack {
        Lack {
            what: format!("services/{host}/nginx.conf.txt"),
            why,
            how: format!("nginx -T   on {host}"),
            request: None,
        }
    }

    pub fn cite(&self, model: &Model<'_>, directive: &nginx::Directive) -> Citation {
        let line = self.text[..directive.start].matches('\n').count() + 1;
        model.evidence.services.cite(self.host, "nginx.conf", line, directive.says())
    }

    /// The file in which a directive stands: `nginx -T` says it before each.
    pub fn file(&self, directive: &nginx::Directive) -> &'e str {
        let before = self.text[..directive.start].lines().rev();
        let mut said = before.filter_map(|line| line.strip_prefix("# configuration file ")?.strip_suffix(':'));
        said.next().unwrap_or(NGINX)
    }

    /// The command that puts one directive in place of another in its file, and lets nginx read it anew.
    pub fn replace(&self, directive: &nginx::Directive, by: &str) -> Vec<String> {
        let words: Vec<String> = directive.words.iter().map(|word| quoted(word)).collect();
        let by = by.replace('&', "\\&");
        shell(format!(
            "sed -i -E 's#\\b{};#{by}#' {} && systemctl reload nginx",
            words.join(" +"),
            self.file(directive)
        ))
    }
}

/// The machine whose server logged a request.
pub(super) fn logged_by(record: &RequestRecord) -> Option<&str> {
    let from = record.from.as_ref().filter(|from| from.is("host") && record.hop != "client")?;
    Some(&from.name)
}

/// A command for a shell.
pub(super) fn shell(script: String) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), script]
}

/// A word as it stands in an extended regular expression that lies between `#`.
pub(super) fn quoted(word: &str) -> String {
    word.chars()
        .flat_map(|c| (!c.is_alphanumeric() && !"_-/:".contains(c)).then_some('\\').into_iter().chain([c]))
        .collect()
}

/// Seconds of a duration as servers write them; a bare number is of `unit` seconds.
pub(super) fn seconds(word: &str, unit: f64) -> Option<f64> {
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (number, scale) = word.split_at(digits);
    let scale = match scale {
        "" => unit,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

/// Whether an address is the client's of this connection, or of a machine on its way, which may give it one of its own.
pub(super) fn is_client(model: &Model<'_>, connection: &Connection, address: IpAddr) -> bool {
    let Some((owner, _)) = model.machines.owner(address) else { return false };
    let on_its_way = |ways: &Ways| ways.there.hosts().any(|host| host == owner);
    connection.host(model) != Some(owner) && connection.ways.iter().any(|(_, ways)| on_its_way(ways))
}
