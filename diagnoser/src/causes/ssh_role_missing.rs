//! A server's account exists, and is in none of the groups that may log in over SSH (AllowGroups).
//!
//! # What it looks like
//! "Permission denied (publickey)", even with a key that the account's list has. In an account that lacks the key the same is
//! said. It is what a missing role is to the log-in services of the clouds (OS Login and its like): known, and not allowed.
//!
//! # Confirm by hand
//! On the server `journalctl -u ssh` says "User NAME from ADDRESS not allowed because none of user's groups are listed in
//! AllowGroups". `sshd -T | grep allowgroups` lists the groups, `id -nG NAME` those of the account.
//!
//! # Fix
//! `gpasswd -a NAME GROUP`, or in what hands out the groups (a directory, a configuration manager).
//!
//! # Who acts
//! Whoever hands out access to the server.
//!
//! # Source
//! sshd_config(5), AllowGroups; OpenSSH, auth.c, allowed_user.

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
pub struct SshRoleMissing;

impl Cause for SshRoleMissing {
    fn id(&self) -> &'static str {
        "ssh-role-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("ssh_role_missing.rs")
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
    let (group, cited) = match barred(model, server, user) {
        Fact::Seen(Some(barred)) => barred,
        Fact::Seen(None) => {
            let file = model.evidence.services.file(server, "sshd-T");
            let cited = Citation::new(file, "", "allowgroups");
            return State::excluded(format!("{user} is in a group that may log in to {server}"), vec![cited]);
        }
        Fact::Missed(_) => return State::Undecided(lacks(model, server)),
    };
    let mut evidence = cited;
    if let Fact::Seen(Some(cited)) =
        log_ins::said(model, server, |message| log_ins::is_not_allowed(message, user) && message.contains("roup"))
    {
        evidence.push(cited);
    }
    evidence.extend(refused.connection.cites());
    let known = log_ins::lines(model, server, "group").seen().unwrap_or_default();
    let there = known.iter().any(|(_, line)| line.split(':').next() == Some(group));
    let patch = there.then(|| Change::Run {
        host: server.to_owned(),
        command: ["gpasswd", "-a", user, group].map(str::to_owned).to_vec(),
    });
    let fix =
        Fix { summary: format!("Put {user} into the group {group} of {server}"), patch: patch.into_iter().collect() };
    State::Holds(Box::new(Proof { evidence, fix, wants: vec![], changed: None }))
}

/// The first group that may log in, and the readings, where an account exists and is in none of these.
pub(super) fn barred<'e>(model: &'e Model<'_>, server: &str, user: &str) -> Fact<Option<(&'e str, Vec<Citation>)>> {
    let allowed = match log_ins::setting(model, server, "allowgroups") {
        Fact::Missed(why) => return Fact::Missed(why),
        Fact::Seen(lines) => lines,
    };
    if allowed.is_empty() {
        return Fact::Seen(None);
    }
    let (own, account) = match log_ins::home(model, server, user) {
        Fact::Missed(why) => return Fact::Missed(why),
        Fact::Seen(None) => return Fact::Seen(None),
        Fact::Seen(Some((_, own, cited))) => (own, cited),
    };
    let groups = match log_ins::groups(model, server, user, own) {
        Fact::Missed(why) => return Fact::Missed(why),
        Fact::Seen(groups) => groups,
    };
    let may = |pattern: &str| groups.iter().any(|group| log_ins::names(pattern, group));
    let words = || allowed.iter().flat_map(|(words, _)| words.iter().copied());
    if words().any(may) {
        return Fact::Seen(None);
    }
    let Some(first) = words().find(|word| !word.contains(['*', '?', '!'])) else { return Fact::Seen(None) };
    let file = model.evidence.services.file(server, "group");
    let has = Citation::new(file, "", format!("{user} is in: {}", groups.join(" ")));
    let cited = allowed.iter().map(|(_, cited)| cited.clone()).chain([account, has]).collect();
    Fact::Seen(Some((first, cited)))
}

fn lacks(model: &Model<'_>, server: &str) -> Vec<Lack> {
    let services = &model.evidence.services;
    let all = [("group", "getent group"), ("passwd", "getent passwd"), ("sshd-T", "sshd -T")];
    let missed = all.into_iter().filter_map(|(name, how)| match services.text(server, name) {
        Fact::Missed(why) => Some(log_ins::lack(server, name, how, &why)),
        Fact::Seen(_) => None,
    });
    missed.collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine laptop 10.1.1.10/24
        machine files 10.1.1.20/24 listens 0.0.0.0:22
        probe host/laptop -> ssh://files.example.test  failed in 300ms  at 10.1.1.20:22  says connected, authenticating: me@files.example.test: Permission denied (publickey,password).
        file services/files/authorized-keys.txt | /home/me/.ssh/authorized_keys: 256 SHA256:abc me (ED25519)
        file services/files/passwd.txt | root:x:0:0::/root:/bin/bash | me:x:1000:1000::/home/me:/bin/bash
        file services/files/group.txt | root:x:0: | me:x:1000: | operators:x:1007:you,them
        file hosts/laptop/ssh-v-files.example.test.txt | debug1: Authenticating to files.example.test:22 as 'me' | debug1: Offering public key: /home/me/.ssh/id ED25519 SHA256:abc
        file hosts/files/journal-sshd.txt | 2026-01-01T11:59:58+00:00 files sshd[7]: User me from 10.1.1.10 not allowed because none of user's groups are listed in AllowGroups
        file services/files/sshd-T.txt | port 22 | authorizedkeysfile .ssh/authorized_keys | allowgroups operators | allowgroups wheel";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n=> ssh-role-missing host/files"));
    }

    #[test]
    fn holds_without_the_key_too() {
        check(&format!(
            "{}\n=> ssh-role-missing host/files",
            WORLD.replace("keys: 256 SHA256:abc", "keys: 256 SHA256:def")
        ));
    }

    #[test]
    fn twins_a_group_by_name_or_by_its_number() {
        let quiet = WORLD.replace(
            "User me from 10.1.1.10 not allowed because none",
            "Connection closed by authenticating user me none",
        );
        let quiet = quiet.replace("keys: 256 SHA256:abc", "keys: 256 SHA256:def");
        check(&format!("{}\n=> ssh-key-not-authorized host/files", quiet.replace("you,them", "you,me")));
        check(&format!(
            "{}\n=> ssh-key-not-authorized host/files",
            quiet.replace("operators:x:1007", "operators:x:1000")
        ));
        check(&format!(
            "{}\n=> ssh-key-not-authorized host/files",
            quiet.replace("allowgroups wheel", "allowgroups m*")
        ));
    }

    #[test]
    fn unknown_without_its_readings() {
        for file in ["services/files/group.txt", "services/files/passwd.txt", "services/files/sshd-T.txt"] {
            check(&format!("{WORLD}\nwithout {file}\n=> unknown lacks {file}"));
        }
    }
}
