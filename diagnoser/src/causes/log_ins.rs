//! What the causes of refused log-ins over SSH share: who was refused by whom, what that server's log, accounts and keys say, and
//! what the client's configuration says.
//!
//! Source: OpenSSH, auth.c (allowed_user, getpwnamallow), sshconnect2.c, serverloop.c; ssh_config(5); sshd_config(5).

use std::collections::BTreeSet;

use super::{Finding, Lack, State};
use crate::{
    connections::Connection,
    evidence::{Citation, Fact, Hosts, Since},
    model::Model,
    subject::Subject,
};

/// The names by which distributions know the unit.
const UNITS: [&str; 2] = ["ssh", "sshd"];

/// A log-in that a server refuses: `user@host: Permission denied (publickey).`
pub(super) struct Refused<'m> {
    /// The connection.
    pub connection: &'m Connection,
    /// The machine that logs in.
    pub client: &'m str,
    /// The name that it uses there.
    pub user: String,
    /// The host it is refused by, as the client calls it.
    pub host: String,
    /// The machine that is.
    pub server: &'m str,
}

/// What a cause says of each such log-in, at the machine that it would sit in.
pub(super) fn examine(
    model: &Model<'_>,
    at: impl for<'r> Fn(&Refused<'r>) -> &'r str,
    look: impl Fn(&Model<'_>, &Refused<'_>) -> State,
) -> Vec<Finding> {
    let each = refused(model).into_iter().map(|refused| Finding {
        subject: model.evidence.machine(at(&refused)),
        effects: effects(refused.connection),
        state: look(model, &refused),
    });
    each.collect()
}

/// Every log-in that is refused for want of a key that counts.
fn refused<'m>(model: &'m Model<'_>) -> Vec<Refused<'m>> {
    let each = model.connections().iter().filter_map(|connection| {
        let attempt = connection.typical().filter(|attempt| attempt.logs_in())?;
        let (whom, methods) = attempt.text.as_deref()?.split_once(": Permission denied (")?;
        let (user, host) = whom.rsplit([' ', ';']).next()?.rsplit_once('@')?;
        let client = connection.client()?;
        let server = match connection.jump {
            _ if !methods.contains("publickey") => return None,
            Some(_) if same(host, &connection.to) => *connection.addresses.get(1)?,
            // Where the jump host itself refuses, that is named.
            _ => *connection.addresses.first()?,
        };
        let (server, _) = model.machines.owner(server)?;
        Some(Refused { connection, client, user: user.to_owned(), host: host.to_owned(), server })
    });
    each.collect()
}

fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'))
}

/// What a server's log says last of somebody; missed where it was not collected.
pub(super) fn said(model: &Model<'_>, server: &str, wanted: impl Fn(&str) -> bool) -> Fact<Option<Citation>> {
    let hosts = &model.evidence.hosts;
    let unit = UNITS.into_iter().find(|unit| hosts.journal(server, unit).seen().is_some()).unwrap_or(UNITS[0]);
    hosts.last_said(server, unit, Since::Ever, wanted)
}

/// Whether a line says that this account does not exist.
pub(super) fn is_invalid(message: &str, user: &str) -> bool {
    message.strip_prefix("Invalid user ").and_then(|rest| rest.strip_prefix(user)).is_some_and(|r| r.starts_with(' '))
}

/// Whether a line says that this account may not log in, whatever its key.
pub(super) fn is_not_allowed(message: &str, user: &str) -> bool {
    let rest = message.strip_prefix("User ").and_then(|rest| rest.strip_prefix(user));
    rest.is_some_and(|rest| rest.starts_with(" from ") && rest.contains(" not allowed because "))
}

pub(super) fn lack_journal(server: &str, why: &str) -> Lack {
    let how = format!("journalctl -u {}", UNITS[0]);
    Lack::host_fact(server, &format!("journal-{}", UNITS[0]), &how, why.to_owned())
}

/// Something that a server's machine says of its accounts or settings.
pub(super) fn lack(server: &str, name: &str, how: &str, why: &str) -> Lack {
    Lack {
        what: format!("services/{server}/{name}.txt"),
        why: why.to_owned(),
        how: format!("{how}   on {server}"),
        request: None,
    }
}

/// A line of a text that a machine's server said, with its number.
pub(super) fn lines<'e>(model: &'e Model<'_>, server: &str, name: &str) -> Fact<Vec<(usize, &'e str)>> {
    match model.evidence.services.text(server, name) {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(text) => Fact::Seen(text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())).collect()),
    }
}

/// The words of a setting of sshd (`sshd -T`), each of its lines apart; none where it has none.
pub(super) fn setting<'e>(model: &'e Model<'_>, server: &str, key: &str) -> Fact<Vec<(Vec<&'e str>, Citation)>> {
    const NAME: &str = "sshd-T";
    let lines = match lines(model, server, NAME) {
        Fact::Missed(why) => return Fact::Missed(why),
        Fact::Seen(lines) => lines,
    };
    if !lines.iter().any(|(_, line)| line.starts_with("port ") || line.starts_with("authorizedkeysfile ")) {
        return Fact::Missed("it does not hold what sshd -T prints".to_owned());
    }
    let found = lines.into_iter().filter_map(|(number, line)| {
        let (first, rest) = line.split_once(' ')?;
        let cited = model.evidence.services.cite(server, NAME, number, line);
        first.eq_ignore_ascii_case(key).then(|| (rest.split_whitespace().collect(), cited))
    });
    Fact::Seen(found.collect())
}

pub(super) fn lack_settings(server: &str, why: &str) -> Lack {
    lack(server, "sshd-T", "sshd -T", why)
}

/// A key that an account's list has.
pub(super) struct Authorized<'e> {
    /// The file it stands in.
    pub path: &'e str,
    /// Its fingerprint.
    pub fingerprint: &'e str,
    /// Where that stands.
    pub cited: Citation,
}

/// The fingerprints in a machine's files of authorised keys (`ssh-keygen -lf`, each line after the file's name).
pub(super) fn authorized<'e>(model: &'e Model<'_>, server: &str) -> Fact<Vec<Authorized<'e>>> {
    const NAME: &str = "authorized-keys";
    match lines(model, server, NAME) {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(lines) => Fact::Seen(
            lines
                .into_iter()
                .filter_map(|(number, line)| {
                    let (path, rest) = line.split_once(": ")?;
                    let fingerprint = rest.split_whitespace().find(|word| is_fingerprint(word))?;
                    Some(Authorized {
                        path,
                        fingerprint,
                        cited: model.evidence.services.cite(server, NAME, number, line),
                    })
                })
                .collect(),
        ),
    }
}

pub(super) fn lack_authorized(server: &str, why: &str) -> Lack {
    lack(server, "authorized-keys", "for each authorized_keys file: ssh-keygen -lf FILE | sed 's#^#FILE: #'", why)
}

fn is_fingerprint(word: &str) -> bool {
    word.starts_with("SHA256:") || word.starts_with("MD5:")
}

/// Home directories by account, out of `getent passwd`.
pub(super) fn home<'e>(model: &'e Model<'_>, server: &str, user: &str) -> Fact<Option<(&'e str, &'e str, Citation)>> {
    const NAME: &str = "passwd";
    match lines(model, server, NAME) {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(lines) => Fact::Seen(lines.into_iter().find_map(|(number, line)| {
            let fields: Vec<&str> = line.split(':').collect();
            let own = fields.len() >= 6 && fields[0] == user;
            own.then(|| (fields[5], fields[3], model.evidence.services.cite(server, NAME, number, line)))
        })),
    }
}

pub(super) fn lack_accounts(server: &str, why: &str) -> Lack {
    lack(server, "passwd", "getent passwd", why)
}

/// The groups of an account: those that name it, and its own, with where they stand.
pub(super) fn groups<'e>(model: &'e Model<'_>, server: &str, user: &str, own: &str) -> Fact<Vec<&'e str>> {
    match lines(model, server, "group") {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(lines) => Fact::Seen(
            lines
                .into_iter()
                .filter_map(|(_, line)| {
                    let fields: Vec<&str> = line.split(':').collect();
                    let member = fields.get(3)?.split(',').any(|member| member == user);
                    (member || fields[2] == own).then_some(fields[0])
                })
                .collect(),
        ),
    }
}

/// The fingerprints that a client offered to a host, as `ssh -v` tells, each with where it stands.
pub(super) fn offered(model: &Model<'_>, refused: &Refused<'_>) -> Fact<Vec<(String, Citation)>> {
    let fact = verbose(&refused.connection.to);
    let text = match model.evidence.hosts.text(refused.client, &fact) {
        Fact::Missed(why) => return Fact::Missed(why),
        Fact::Seen(text) => text,
    };
    let mut found = Vec::new();
    let mut here = None;
    for (index, line) in text.lines().enumerate() {
        if let Some((_, rest)) = line.split_once("Authenticating to ") {
            let (whom, user) = rest.split_once(" as ").unwrap_or((rest, ""));
            let host = whom.rsplit_once(':').map_or(whom, |(host, _)| host).trim_matches(['[', ']']);
            here = Some(same(host, &refused.host) && user.trim().trim_matches('\'') == refused.user);
        }
        if here == Some(true)
            && line.contains("Offering public key: ")
            && let Some(fingerprint) = line.split_whitespace().find(|word| is_fingerprint(word))
        {
            let cited = Hosts::cite(refused.client, &fact, index + 1, line.trim_start_matches("debug1: "));
            found.push((fingerprint.to_owned(), cited));
        }
    }
    if here.is_some() { Fact::Seen(found) } else { Fact::Missed("it does not get as far as a log-in".to_owned()) }
}

fn verbose(host: &str) -> String {
    format!("ssh-v-{host}")
}

pub(super) fn lack_offered(refused: &Refused<'_>, why: &str) -> Lack {
    let host = &refused.connection.to;
    Lack::host_fact(refused.client, &verbose(host), &format!("ssh -v {host} true"), why.to_owned())
}

/// A setting of a client's configuration for a host, and the line that makes it.
pub(super) struct Configured {
    /// Its value.
    pub value: String,
    /// The file and line it stands in on the client, where it stands in one.
    pub line: Option<(String, usize)>,
    /// The reading.
    pub cited: Citation,
}

/// A setting that `ssh -G` prints, and what makes it so among the lines of the configuration beside it (`file:line:text`).
pub(super) fn configured(model: &Model<'_>, client: &str, host: &str, key: &str) -> Fact<Option<Configured>> {
    let fact = format!("ssh-G-{host}");
    let text = match model.evidence.hosts.text(client, &fact) {
        Fact::Missed(why) => return Fact::Missed(why),
        Fact::Seen(text) => text,
    };
    let mut all = text.lines().enumerate();
    if !all.clone().any(|(_, line)| line.starts_with("hostname ")) {
        return Fact::Missed("it does not hold what ssh -G prints".to_owned());
    }
    let value = all.find_map(|(i, line)| Some((i, line.strip_prefix(key)?.strip_prefix(' ')?.trim().to_owned())));
    let Some((index, value)) = value else { return Fact::Seen(None) };
    let line = written(text, host, key).into_iter().next().filter(|(_, _, _, text)| *text == value);
    let (line, index) = line.map_or((None, index), |(file, number, index, _)| (Some((file, number)), index));
    let cited = Hosts::cite(client, &fact, index + 1, format!("{key} {value}"));
    Fact::Seen(Some(Configured { value, line, cited }))
}

pub(super) fn lack_configured(client: &str, host: &str, why: &str) -> Lack {
    let how = format!("ssh -G {host}; grep -n '' /dev/null ~/.ssh/config");
    Lack::host_fact(client, &format!("ssh-G-{host}"), &how, why.to_owned())
}

/// Lines of the configuration that are about a host and set this; the first counts: file, line, line of the reading, value.
fn written(text: &str, host: &str, key: &str) -> Vec<(String, usize, usize, String)> {
    let mut found = Vec::new();
    let (mut of, mut applies) = ("", true);
    for (index, line) in text.lines().enumerate() {
        let mut parts = line.splitn(3, ':');
        let (Some(file), Some(number), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        if file != of {
            (of, applies) = (file, true);
        }
        let Some((word, value)) = rest.trim().split_once([' ', '=', '\t']) else { continue };
        let value = value.trim().trim_start_matches('=').trim();
        match word.to_ascii_lowercase().as_str() {
            "host" => applies = names(value, host),
            "match" => applies = value == "all",
            word if word == key && applies => found.push((file.to_owned(), number, index, value.to_owned())),
            _ => {}
        }
    }
    found
}

/// Whether patterns (`*.example.test !gate?`) are about a host.
pub(super) fn names(patterns: &str, host: &str) -> bool {
    let fits = |pattern: &str| {
        let pattern = regex::escape(pattern.trim_matches('"')).replace("\\*", ".*").replace("\\?", ".");
        regex::Regex::new(&format!("^(?i:{pattern})$")).is_ok_and(|pattern| pattern.is_match(host))
    };
    let mut words = patterns.split_whitespace();
    let denied = words.clone().filter_map(|word| word.strip_prefix('!')).any(fits);
    !denied && words.any(|word| !word.starts_with('!') && fits(word))
}

/// The values that a client's configuration has for something, for whatever host.
pub(super) fn values(model: &Model<'_>, client: &str, host: &str, key: &str) -> BTreeSet<String> {
    let text = model.evidence.hosts.text(client, &format!("ssh-G-{host}")).seen().unwrap_or_default();
    let each = text.lines().filter_map(|line| line.splitn(3, ':').nth(2)?.trim().split_once([' ', '=', '\t']));
    each.filter(|(word, _)| word.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim().to_owned()).collect()
}

/// The command that writes another value into the line of a client's configuration that makes a setting.
pub(super) fn rewrite(configured: &Configured, to: &str) -> Option<Vec<String>> {
    let (file, line) = configured.line.as_ref()?;
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "@._:-[]".contains(c));
    if !plain(&configured.value) || !plain(to) {
        return None;
    }
    let from = configured.value.replace('.', "\\.").replace('[', "\\[").replace(']', "\\]");
    Some(["sed", "-i", &format!("{line}s#{from}#{to}#"), file].map(str::to_owned).to_vec())
}

/// The connection alone, which is all that such a refusal befalls.
pub(super) fn effects(connection: &Connection) -> Vec<(Subject, crate::propagation::Mode)> {
    vec![(connection.subject(), crate::propagation::Mode::Rejects)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_is_about_a_host_counts() {
        let text = "host app-1\nuser deploy\nhostname app-1\n/root/.ssh/config:1:Host app-? !app-2\n/root/.ssh/config:2:  User deploy\n\
                    /root/.ssh/config:3:Host *\n/root/.ssh/config:4:  User=ops\n";
        let of = |host| written(text, host, "user").first().map(|(file, line, ..)| format!("{file}:{line}"));
        assert_eq!(of("app-1").as_deref(), Some("/root/.ssh/config:2"));
        assert_eq!(of("app-2").as_deref(), Some("/root/.ssh/config:4"));
    }

    #[test]
    fn lines_of_the_servers_log() {
        assert!(is_invalid("Invalid user ubuntu from 10.0.0.1 port 5", "ubuntu"));
        assert!(!is_invalid("Invalid user ubuntu2 from 10.0.0.1 port 5", "ubuntu"));
        let told = "User deploy from 10.0.0.1 not allowed because none of user's groups are listed in AllowGroups";
        assert!(is_not_allowed(told, "deploy") && !is_not_allowed(told, "dep"));
    }
}
