//! A client logs in over SSH under a name that the server has no account for, with a key that is authorised for another one.
//!
//! # What it looks like
//! "Permission denied (publickey)", although the key is the right one. The client is not told that the name is the reason; an
//! account that lacks the key, and one that may not log in, look the same from there.
//!
//! # Confirm by hand
//! On the server `journalctl -u ssh` says "Invalid user NAME from ADDRESS", and `getent passwd NAME` finds nothing.
//! `ssh -v HOST` says "Authenticating to HOST:22 as 'NAME'" and which key is offered; `ssh-keygen -lf` of the
//! server's authorized_keys files says whose it is there. `ssh -G HOST` says where the name comes from.
//!
//! # Fix
//! `User` in ~/.ssh/config, or NAME@HOST on the command line.
//!
//! # Who acts
//! Whoever runs the client.
//!
//! # Source
//! OpenSSH, auth.c, getpwnamallow ("Invalid user"); ssh_config(5), User.

use super::{
    Case, Cause, Finding, Lack, Proof, State,
    log_ins::{self, Refused},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact},
    model::Model,
};

/// See the module's comment.
pub struct SshWrongUser;

impl Cause for SshWrongUser {
    fn id(&self) -> &'static str {
        "ssh-wrong-user"
    }

    fn source(&self) -> &'static str {
        include_str!("ssh_wrong_user.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        log_ins::examine(case.model, |refused| refused.client, look)
    }
}

fn look(model: &Model<'_>, refused: &Refused<'_>) -> State {
    let Refused { server, user, .. } = refused;
    let (server, host) = (*server, refused.connection.to.as_str());
    // Accounts of a directory need not be in the list (nsswitch), so that alone proves nothing.
    if let Fact::Seen(Some((_, _, cited))) = log_ins::home(model, server, user) {
        return State::excluded(format!("{server} has an account {user}"), vec![cited]);
    }
    let mut lacks = Vec::new();
    let invalid = match log_ins::said(model, server, |message| log_ins::is_invalid(message, user)) {
        Fact::Seen(Some(cited)) => Some(cited),
        Fact::Seen(None) => {
            return State::excluded(format!("the log of {server} calls no user {user} invalid"), vec![]);
        }
        Fact::Missed(why) => {
            lacks.push(log_ins::lack_journal(server, &why));
            None
        }
    };
    let configured = or(log_ins::configured(model, refused.client, host, "user"), &mut lacks, |why| {
        log_ins::lack_configured(refused.client, host, why)
    });
    let offered = or(log_ins::offered(model, refused), &mut lacks, |why| log_ins::lack_offered(refused, why));
    let authorized = or(log_ins::authorized(model, server), &mut lacks, |why| log_ins::lack_authorized(server, why));
    let (Some(invalid), Some(configured), Some(offered), Some(authorized)) = (invalid, configured, offered, authorized)
    else {
        return State::Undecided(lacks);
    };
    let own = |fingerprint: &str| offered.iter().find(|(own, _)| own == fingerprint);
    let Some(known) = authorized.iter().find(|key| own(key.fingerprint).is_some()) else {
        let because = format!("no account of {server} knows the key either");
        return State::excluded(because, offered.into_iter().map(|(_, cited)| cited).collect());
    };
    let mut evidence: Vec<Citation> = vec![invalid];
    evidence.extend(configured.as_ref().map(|configured| configured.cited.clone()));
    evidence.extend(own(known.fingerprint).map(|(_, cited)| cited.clone()));
    evidence.push(known.cited.clone());
    evidence.extend(refused.connection.cites());
    let right = meant(model, server, known.fingerprint);
    let summary = format!("Log in to {host} as {}", right.as_deref().unwrap_or("the account that has the key"));
    let command = configured.zip(right).and_then(|(configured, right)| log_ins::rewrite(&configured, &right));
    let patch = command.map(|command| Change::Run { host: refused.client.to_owned(), command });
    let fix = Fix { summary, patch: patch.into_iter().collect() };
    State::Holds(Box::new(Proof { evidence, fix, wants: vec![], changed: None }))
}

fn or<T>(fact: Fact<T>, lacks: &mut Vec<Lack>, lack: impl Fn(&str) -> Lack) -> Option<T> {
    match fact {
        Fact::Seen(value) => Some(value),
        Fact::Missed(why) => {
            lacks.push(lack(&why));
            None
        }
    }
}

/// The account that a key belongs to: the one that it was let in as before, else the only one that has it.
fn meant(model: &Model<'_>, server: &str, fingerprint: &str) -> Option<String> {
    let accepted = |message: &str| message.starts_with("Accepted publickey for ") && message.contains(fingerprint);
    if let Fact::Seen(Some(cited)) = log_ins::said(model, server, accepted) {
        return cited.says.strip_prefix("Accepted publickey for ")?.split(' ').next().map(str::to_owned);
    }
    let Fact::Seen(authorized) = log_ins::authorized(model, server) else { return None };
    let mut paths = authorized.iter().filter(|key| key.fingerprint == fingerprint).map(|key| key.path);
    let (path, None) = (paths.next()?, paths.next()) else { return None };
    let Fact::Seen(lines) = log_ins::lines(model, server, "passwd") else { return None };
    let account = lines.iter().find(|(_, line)| {
        let home = line.split(':').nth(5).filter(|home| home.len() > 1);
        home.and_then(|home| path.strip_prefix(home)).is_some_and(|rest| rest.starts_with('/'))
    });
    account.and_then(|(_, line)| line.split(':').next()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine laptop 10.1.1.10/24
        machine files 10.1.1.20/24 listens 0.0.0.0:22
        probe host/laptop -> ssh://files.example.test  failed in 300ms  at 10.1.1.20:22  says connected, authenticating: ubuntu@files.example.test: Permission denied (publickey).
        file services/files/authorized-keys.txt | /home/debian/.ssh/authorized_keys: 256 SHA256:abc me (ED25519)
        file hosts/laptop/ssh-v-files.example.test.txt | debug1: Authenticating to files.example.test:22 as 'ubuntu' | debug1: Offering public key: /home/me/.ssh/id ED25519 SHA256:abc
        file hosts/laptop/ssh-G-files.example.test.txt | user ubuntu | hostname files.example.test
        file services/files/sshd-T.txt | port 22 | authorizedkeysfile .ssh/authorized_keys";
    const INVALID: &str =
        "file hosts/files/journal-ssh.txt | 2026-01-01T11:59:58+00:00 files sshd[7]: Invalid user ubuntu from 10.1.1.10 port 5
         file services/files/passwd.txt | debian:x:1000:1000::/home/debian:/bin/bash";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{INVALID}\n=> ssh-wrong-user host/laptop"));
    }

    #[test]
    fn twin_the_account_exists() {
        let exists = "file hosts/files/journal-ssh.txt | 2026-01-01T11:59:58+00:00 files sshd[7]: Connection closed by authenticating user ubuntu 10.1.1.10 port 5 [preauth]
             file services/files/passwd.txt | ubuntu:x:1000:1000::/home/ubuntu:/bin/bash | debian:x:1001:1001::/home/debian:/bin/bash";
        check(&format!("{WORLD}\n{exists}\n=> ssh-key-not-authorized host/files"));
    }

    #[test]
    fn twin_a_key_that_nobody_has() {
        let other = WORLD.replace("keys: 256 SHA256:abc", "keys: 256 SHA256:def");
        check(&format!("{other}\n{INVALID}\n=> unknown"));
    }

    #[test]
    fn unknown_without_its_readings() {
        for file in [
            "hosts/files/journal-ssh.txt",
            "services/files/authorized-keys.txt",
            "hosts/laptop/ssh-v-files.example.test.txt",
        ] {
            check(&format!("{WORLD}\n{INVALID}\nwithout {file}\n=> unknown lacks {file}"));
        }
    }
}
