//! A server's account exists and may log in, and its list of authorised keys does not have the key that the client offers.
//!
//! # What it looks like
//! "Permission denied (publickey)". The server's log says only that the connection was closed by the authenticating user; with
//! an account that does not exist it says "Invalid user", with one that may not log in "not allowed because".
//!
//! # Confirm by hand
//! `ssh -v HOST` says "Offering public key: FILE TYPE FINGERPRINT". On the server `sshd -T | grep authorizedkeysfile` says
//! where the keys are, and `ssh-keygen -lf FILE` which fingerprints are there: that one is not among them.
//!
//! # Fix
//! Add the line of the client's .pub file to the account's authorized_keys, or in what writes that file.
//!
//! # Who acts
//! Whoever runs the server or hands out access to it.
//!
//! # Source
//! sshd(8), AUTHORIZED_KEYS FILE FORMAT; sshd_config(5), AuthorizedKeysFile.

use super::{
    Case, Cause, Finding, Lack, Proof, State,
    log_ins::{self, Authorized, Refused},
    ssh_role_missing,
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact},
    model::Model,
};

/// See the module's comment.
pub struct SshKeyNotAuthorized;

impl Cause for SshKeyNotAuthorized {
    fn id(&self) -> &'static str {
        "ssh-key-not-authorized"
    }

    fn source(&self) -> &'static str {
        include_str!("ssh_key_not_authorized.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        log_ins::examine(case.model, |refused| refused.server, look)
    }
}

fn look(model: &Model<'_>, refused: &Refused<'_>) -> State {
    let (server, user) = (refused.server, refused.user.as_str());
    let mut lacks: Vec<Lack> = Vec::new();
    // Whoever does not exist or may not log in is refused before any key counts.
    let before = |message: &str| log_ins::is_invalid(message, user) || log_ins::is_not_allowed(message, user);
    match log_ins::said(model, server, before) {
        Fact::Seen(Some(cited)) => {
            return State::excluded(format!("{server} does not ask for {user}'s key"), vec![cited]);
        }
        Fact::Seen(None) => {}
        Fact::Missed(why) => lacks.push(log_ins::lack_journal(server, &why)),
    }
    if let Some((_, cited)) = ssh_role_missing::barred(model, server, user).seen().flatten() {
        return State::excluded(format!("{user} may not log in to {server}"), cited);
    }
    let home = match log_ins::home(model, server, user) {
        Fact::Seen(Some((home, _, _))) => home,
        Fact::Seen(None) => return State::excluded(format!("{user} is no account of {server} itself"), vec![]),
        Fact::Missed(why) => {
            lacks.push(log_ins::lack_accounts(server, &why));
            ""
        }
    };
    let files = match files(model, server) {
        Fact::Seen(files) => files,
        Fact::Missed(why) => {
            lacks.push(log_ins::lack_settings(server, &why));
            vec![]
        }
    };
    let authorized = match log_ins::authorized(model, server) {
        Fact::Seen(authorized) => authorized,
        Fact::Missed(why) => {
            lacks.push(log_ins::lack_authorized(server, &why));
            vec![]
        }
    };
    let offered = match log_ins::offered(model, refused) {
        Fact::Seen(offered) => offered,
        Fact::Missed(why) => {
            lacks.push(log_ins::lack_offered(refused, &why));
            vec![]
        }
    };
    if !lacks.is_empty() {
        return State::Undecided(lacks);
    }
    if offered.is_empty() {
        return State::excluded("the client offers no key at all", refused.connection.cites());
    }
    let paths: Vec<String> = files.iter().map(|file| path(file, home, user)).collect();
    let own: Vec<&Authorized<'_>> = authorized.iter().filter(|key| paths.iter().any(|path| path == key.path)).collect();
    if let Some(key) = own.iter().find(|key| offered.iter().any(|(fingerprint, _)| fingerprint == key.fingerprint)) {
        return State::excluded(format!("{user} of {server} has the key"), vec![key.cited.clone()]);
    }
    let mut evidence: Vec<Citation> = offered.iter().map(|(_, cited)| cited.clone()).collect();
    if own.is_empty() {
        let file = model.evidence.services.file(server, "authorized-keys");
        evidence.push(Citation::new(file, "", format!("no key of {user}")));
    }
    evidence.extend(own.iter().take(3).map(|key| key.cited.clone()));
    evidence.extend(refused.connection.cites());
    let summary = format!("Add the client's public key ({}) to {user}'s authorized_keys", offered[0].0);
    let elsewhere = authorized.iter().find(|key| offered.iter().any(|(fingerprint, _)| fingerprint == key.fingerprint));
    let patch = elsewhere.zip(paths.first()).map(|(known, to)| Change::Run {
        host: server.to_owned(),
        command: ["bash", "-c", COPY, "copy", known.path, known.fingerprint, to].map(str::to_owned).to_vec(),
    });
    let fix = Fix { summary, patch: patch.into_iter().collect() };
    State::Holds(Box::new(Proof { evidence, fix, wants: vec![], changed: None }))
}

/// Copies the line with a fingerprint from one file of keys to another.
const COPY: &str = r#"while read -r key; do [[ $(ssh-keygen -lf - <<<"$key" 2>/dev/null) == *" $2 "* ]] && printf '%s\n' "$key"; done <"$1" >>"$3"; true"#;

/// The files in which sshd looks for keys; missed where it gets them, or some, by other means.
fn files<'e>(model: &'e Model<'_>, server: &str) -> Fact<Vec<&'e str>> {
    for other in ["authorizedkeyscommand", "trustedusercakeys"] {
        if let Fact::Seen(lines) = log_ins::setting(model, server, other)
            && lines.iter().any(|(words, _)| words.iter().any(|word| *word != "none"))
        {
            return Fact::Missed(format!("keys come from {other}, too"));
        }
    }
    match log_ins::setting(model, server, "authorizedkeysfile") {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(lines) if lines.is_empty() => Fact::Missed("it does not say authorizedkeysfile".to_owned()),
        Fact::Seen(lines) => Fact::Seen(lines.into_iter().flat_map(|(words, _)| words).collect()),
    }
}

fn path(file: &str, home: &str, user: &str) -> String {
    let file = file.replace("%h", home).replace("%u", user).replace("%%", "%");
    if file.starts_with('/') { file } else { format!("{}/{file}", home.trim_end_matches('/')) }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine laptop 10.1.1.10/24
        machine files 10.1.1.20/24 listens 0.0.0.0:22
        probe host/laptop -> ssh://files.example.test  failed in 300ms  at 10.1.1.20:22  says connected, authenticating: me@files.example.test: Permission denied (publickey).
        file services/files/authorized-keys.txt | /home/me/.ssh/authorized_keys: 256 SHA256:def old (ED25519) | /home/you/.ssh/authorized_keys: 256 SHA256:abc you (ED25519)
        file services/files/passwd.txt | me:x:1000:1000::/home/me:/bin/bash | you:x:1001:1001::/home/you:/bin/bash
        file services/files/group.txt | staff:x:50:you
        file hosts/laptop/ssh-v-files.example.test.txt | debug1: Authenticating to files.example.test:22 as 'me' | debug1: Offering public key: /home/me/.ssh/id ED25519 SHA256:abc
        file hosts/files/journal-ssh.txt | 2026-01-01T11:59:58+00:00 files sshd[7]: Connection closed by authenticating user me 10.1.1.10 port 5 [preauth]
        file services/files/sshd-T.txt | port 22 | authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n=> ssh-key-not-authorized host/files"));
        let none = WORLD.replace("/home/me/.ssh/authorized_keys: 256 SHA256:def old (ED25519) | ", "");
        check(&format!("{none}\n=> ssh-key-not-authorized host/files"));
    }

    #[test]
    fn holds_where_the_file_with_the_key_is_not_asked() {
        let moved = WORLD
            .replace("SHA256:def", "SHA256:abc")
            .replace(".ssh/authorized_keys .ssh/authorized_keys2", "/etc/ssh/keys/%u");
        check(&format!("{moved}\n=> ssh-key-not-authorized host/files"));
    }

    #[test]
    fn twin_the_key_is_there_and_the_role_is_not() {
        let there = WORLD.replace("SHA256:def", "SHA256:abc").replace("port 22 |", "port 22 | allowgroups staff |");
        check(&format!("{there}\n=> ssh-role-missing host/files"));
        check(&format!("{}\n=> unknown", WORLD.replace("SHA256:def", "SHA256:abc")));
    }

    #[test]
    fn unknown_without_its_readings() {
        for file in [
            "services/files/authorized-keys.txt",
            "services/files/passwd.txt",
            "services/files/sshd-T.txt",
            "hosts/laptop/ssh-v-files.example.test.txt",
            "hosts/files/journal-ssh.txt",
        ] {
            check(&format!("{WORLD}\nwithout {file}\n=> unknown lacks {file}"));
        }
    }
}
