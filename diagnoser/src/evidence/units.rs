//! What the service manager says of the services of a host: `systemctl list-units`, `systemctl status` or `show`, OpenRC's and
//! SysV's own words.

use super::{Citation, Fact, Hosts, text};

/// The state of a unit at large, in systemd's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Active {
    Active,
    Reloading,
    Inactive,
    Failed,
    Activating,
    Deactivating,
    Maintenance,
}

impl Active {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "active" => Self::Active,
            "reloading" | "refreshing" => Self::Reloading,
            "inactive" => Self::Inactive,
            "failed" => Self::Failed,
            "activating" => Self::Activating,
            "deactivating" => Self::Deactivating,
            "maintenance" => Self::Maintenance,
            _ => return None,
        })
    }
}

/// How the main process of a unit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal (`KILL`).
    Killed(String),
}

/// A service as its manager sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// With its suffix where printed (`nginx.service`).
    pub name: String,
    /// `loaded`, `not-found`, `masked`, `error`, `bad-setting`; empty where not printed.
    pub load: String,
    /// At large.
    pub active: Active,
    /// In detail: `running`, `exited`, `dead`, `auto-restart`, `start-pre`.
    pub sub: String,
    /// Why it is not active, where printed: `exit-code`, `signal`, `oom-kill`, `timeout`, `start-limit-hit`.
    pub result: Option<String>,
    /// How its main process (else the last that was run for it) ended, where printed.
    pub ended: Option<Ended>,
    /// Since when, as printed.
    pub since: Option<String>,
    /// Whether it is started with the machine, where printed: `enabled`, `disabled`, `static`.
    pub enabled: Option<String>,
    /// The main process while it runs, where printed.
    pub pid: Option<u32>,
    /// The line that says its state, from 1.
    pub line: usize,
    /// What that line says.
    pub says: String,
}

impl Unit {
    pub(super) fn new(name: &str, active: Active, sub: &str, line: usize, says: &str) -> Self {
        Self {
            name: name.to_owned(),
            load: String::new(),
            active,
            sub: sub.to_owned(),
            result: None,
            ended: None,
            since: None,
            enabled: None,
            pid: None,
            line,
            says: says.trim().to_owned(),
        }
    }

    /// Whether it does its work: started and not on its way down.
    pub fn runs(&self) -> bool {
        matches!(self.active, Active::Active | Active::Reloading)
    }

    /// Whether it was stopped or never started, and did not fail.
    pub fn stopped(&self) -> bool {
        self.active == Active::Inactive
    }

    /// Whether it ended by itself, for good or between two attempts.
    pub fn failed(&self) -> bool {
        self.active == Active::Failed || self.restarting()
    }

    /// Whether it ended by itself and will be started again.
    pub fn restarting(&self) -> bool {
        self.active == Active::Activating && self.sub.starts_with("auto-restart")
    }

    /// Whether it exists: `systemctl status` prints a state for units that do not.
    pub fn exists(&self) -> bool {
        self.load != "not-found"
    }

    /// Whether it is this unit; `.service` may be left out on either side.
    pub fn is(&self, unit: &str) -> bool {
        bare(&self.name) == bare(unit)
    }
}

pub(super) fn bare(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

impl Hosts {
    /// The services of a host as `systemctl list-units` (fact `systemctl`) or OpenRC's `rc-status` lists them. Only those that
    /// the manager has loaded are in it: one that is not may exist all the same.
    pub fn units(&self, host: &str) -> Fact<Vec<Unit>> {
        self.parsed(host, "systemctl", |text| {
            let found = list(text);
            if found.is_empty() && !text.contains("0 loaded units listed") { Err("no units in it") } else { Ok(found) }
        })
    }

    /// A unit by its own status (fact `systemctl-<unit>`), else as it stands in the list, and where that is written.
    pub fn unit(&self, host: &str, unit: &str) -> Fact<(Unit, Citation)> {
        let cite = |fact: &str, found: &Unit| {
            Hosts::cite(host, fact, found.line, format!("{unit}: {}", found.says.trim_start_matches("Active: ")))
        };
        let mut missed = String::new();
        for fact in
            [format!("systemctl-{unit}"), format!("systemctl-{}", bare(unit)), format!("systemctl-{unit}.service")]
        {
            match self.parsed(host, &fact, |text| {
                super::unit_status::parse(unit, text).ok_or("it does not say in what state the unit is")
            }) {
                Fact::Seen(found) if !found.exists() => return Fact::Missed("there is no such unit".to_owned()),
                Fact::Seen(found) => {
                    let cited = cite(&fact, &found);
                    return Fact::Seen((found, cited));
                }
                Fact::Missed(why) if missed.is_empty() || self.text(host, &fact).seen().is_some() => missed = why,
                Fact::Missed(_) => {}
            }
        }
        let listed = self.units(host).seen().unwrap_or_default();
        match listed.into_iter().find(|row| row.exists() && row.is(unit)) {
            Some(found) => {
                let cited = cite("systemctl", &found);
                Fact::Seen((found, cited))
            }
            None => Fact::Missed(missed),
        }
    }
}

fn list(text: &str) -> Vec<Unit> {
    text::lines(text)
        .filter_map(|(line, said)| list_row(line, &said).or_else(|| super::unit_words::listed(line, &said)))
        .collect()
}

/// `● nginx.service loaded failed failed A web server`: with or without the dot, with a job or without.
fn list_row(line: usize, said: &str) -> Option<Unit> {
    const LOADS: [&str; 7] = ["loaded", "not-found", "bad-setting", "error", "masked", "merged", "stub"];
    let words: Vec<&str> = said.split_whitespace().collect();
    let at = words.iter().take(3).position(|word| LOADS.contains(word)).filter(|at| *at > 0)?;
    let active = Active::parse(words.get(at + 1)?)?;
    let mut unit = Unit::new(words[at - 1], active, words.get(at + 2)?, line, "");
    unit.load = words[at].to_owned();
    unit.says = words[at - 1..at + 3].join(" ");
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const PLAIN: &str = "app.service       loaded activating auto-restart start An application
containerd.service loaded active running containerd container runtime
nginx.service loaded failed failed A high performance web server and a reverse proxy server
plymouth.service not-found inactive dead plymouth.service
";
    const DOTS: &str = "  UNIT                      LOAD      ACTIVE   SUB     DESCRIPTION
  cron.service              loaded    active   running Regular background program processing daemon
● nginx.service             loaded    failed   failed  A high performance web server
× db.service                loaded    failed   failed  Database
* old.service               masked    inactive dead    old.service
  systemd-netw…wait.service loaded    active   exited  Wait for Network

LOAD   = Reflects whether the unit definition was properly loaded.
ACTIVE = The high-level unit activation state, i.e. generalization of SUB.
SUB    = The low-level unit activation state, values depend on unit type.
5 loaded units listed.
";
    const OPENRC: &str = "Runlevel: default
 sshd                                                              [  started  ]
 nginx                                                             [  crashed  ]
 crond                                                  [  started 00:10:11 (0) ]
Dynamic Runlevel: manual
 app                                                               [  stopped  ]
";

    #[test]
    fn lists() {
        let found = list(PLAIN);
        assert_eq!(found.len(), 4);
        assert!(found[0].restarting() && found[0].failed() && found[1].runs() && found[2].failed());
        assert!(!found[3].exists() && found[3].stopped());
        let found = list(DOTS);
        assert_eq!(
            found.iter().map(|unit| unit.name.as_str()).collect::<Vec<_>>()[1..4],
            ["nginx.service", "db.service", "old.service"]
        );
        assert_eq!((found[1].line, found[3].load.as_str(), found[4].sub.as_str()), (3, "masked", "exited"));
        let found = list(OPENRC);
        assert_eq!(
            found.iter().map(|unit| unit.active).collect::<Vec<_>>(),
            [Active::Active, Active::Failed, Active::Active, Active::Inactive]
        );
    }

    #[test]
    fn by_status_else_by_the_list() {
        let mut hosts = Hosts::default();
        hosts.add("n/systemctl.txt", PLAIN);
        hosts.add("n/systemctl-app.txt", "Unit app.service could not be found.\n");
        hosts.add("n/systemctl-nginx.service.txt", "   Active: active (running) since Thu; 1min ago\n");
        assert_eq!(hosts.unit("n", "app").seen(), None);
        let (unit, cited) = hosts.unit("n", "nginx").seen().unwrap();
        assert!(unit.runs());
        assert_eq!(
            cited.to_string(),
            "nginx: active (running) since Thu; 1min ago (hosts/n/systemctl-nginx.service.txt line 1)"
        );
        let (unit, cited) = hosts.unit("n", "containerd").seen().unwrap();
        assert!(unit.runs());
        assert_eq!(cited.path, "line 2");
        assert_eq!(hosts.unit("n", "plymouth"), Fact::Missed("not collected".to_owned()));
        hosts
            .add("n/systemctl.txt", "System has not been booted with systemd as init system (PID 1). Can't operate.\n");
        assert!(hosts.units("n").seen().is_none());
    }

    #[test]
    fn stands() {
        trials::stands(&[PLAIN, DOTS, OPENRC], list);
    }
}
