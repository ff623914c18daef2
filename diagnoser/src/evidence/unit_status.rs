//! One service: `systemctl status`, `systemctl show`, `systemctl is-active`, or what OpenRC and SysV scripts say.

use super::{
    text, unit_words,
    units::{Active, Ended, Unit},
};

pub(super) fn parse(name: &str, text: &str) -> Option<Unit> {
    status(name, text).or_else(|| properties(name, text)).or_else(|| {
        text::lines(text).find_map(|(line, said)| match unit_words::said(name, line, &said) {
            Some(unit) => Some(unit),
            // The whole answer of `systemctl is-active`.
            None => Active::parse(said.trim()).map(|active| Unit::new(name, active, "", line, &said)),
        })
    })
}

fn status(name: &str, text: &str) -> Option<Unit> {
    let mut unit: Option<Unit> = None;
    let (mut load, mut enabled) = (String::new(), None);
    for (line, said) in text::lines(text) {
        let said = said.trim();
        if let Some(loaded) = said.strip_prefix("Loaded:") {
            let (word, rest) = text::word(loaded);
            load = word.to_owned();
            // `(/lib/systemd/system/x.service; enabled; preset: enabled)`
            enabled = rest.split(';').nth(1).map(|state| state.trim().trim_end_matches(')').to_owned());
        } else if said.starts_with("Unit ") && said.ends_with("could not be found.") {
            let mut missing = Unit::new(name, Active::Inactive, "dead", line, said);
            missing.load = "not-found".to_owned();
            return Some(missing);
        } else if let Some(active) = said.strip_prefix("Active:") {
            unit = Some(state(name, line, said, active)?);
        } else if let Some(unit) = &mut unit {
            let process = said.starts_with("Process:");
            if let Some(main) = said.strip_prefix("Main PID:") {
                unit.ended = ended(main);
                let pid = text::leading(main.trim()).and_then(|pid| pid.try_into().ok());
                unit.pid = if unit.ended.is_none() { pid } else { None };
                break;
            } else if process {
                // While it runs, these are of the commands before and after its start.
                unit.ended = ended(said).filter(|_| !unit.runs());
            }
        }
    }
    unit.map(|unit| Unit { load, enabled, ..unit })
}

/// `activating (auto-restart) (Result: exit-code) since Tue 2026-11-24 13:28:50 UTC; 2s ago`
fn state(name: &str, line: usize, said: &str, active: &str) -> Option<Unit> {
    let (at_large, rest) = text::word(active);
    let mut unit = Unit::new(name, Active::parse(at_large)?, at_large, line, said);
    let (brackets, since) = match rest.split_once("since ") {
        Some((brackets, since)) => (brackets, Some(since.trim().to_owned())),
        None => (rest, None),
    };
    unit.since = since;
    for inside in brackets.split('(').skip(1).filter_map(|part| Some(part.split_once(')')?.0)) {
        match inside.strip_prefix("Result:") {
            Some(result) => unit.result = Some(result.trim().to_owned()),
            None => unit.sub = inside.to_owned(),
        }
    }
    Some(unit)
}

/// `(code=exited, status=1/FAILURE)`, `(code=killed, signal=KILL)`, `(code=dumped, signal=ABRT)`
fn ended(said: &str) -> Option<Ended> {
    let (_, inside) = said.rsplit_once("(code=")?;
    let (inside, _) = inside.split_once(')')?;
    if let Some((_, signal)) = inside.split_once("signal=") {
        return Some(Ended::Killed(signal.trim().to_owned()));
    }
    let (_, status) = inside.split_once("status=")?;
    Some(Ended::Exited(status.split('/').next()?.trim().parse().ok()?))
}

/// `systemctl show`.
fn properties(name: &str, text: &str) -> Option<Unit> {
    let value = |key: &str| {
        text::lines(text).find_map(|(line, said)| {
            let value = said.strip_prefix(key)?.strip_prefix('=')?.trim().to_owned();
            Some((line, value)).filter(|(_, value)| !value.is_empty())
        })
    };
    let said = |key: &str| value(key).map(|(_, value)| value);
    let (line, active) = value("ActiveState")?;
    let mut unit = Unit::new(name, Active::parse(&active)?, &said("SubState").unwrap_or_default(), line, &active);
    unit.load = said("LoadState").unwrap_or_default();
    unit.result = said("Result").filter(|result| result != "success");
    unit.enabled = said("UnitFileState");
    unit.since = said("StateChangeTimestamp");
    unit.pid = said("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 0);
    let status: Option<i32> = said("ExecMainStatus").and_then(|status| status.parse().ok());
    // The codes are those of waitid(2): CLD_EXITED, CLD_KILLED, CLD_DUMPED.
    unit.ended = match (said("ExecMainCode").as_deref(), status) {
        (Some("1" | "exited"), Some(status)) => Some(Ended::Exited(status)),
        (Some("2" | "3" | "killed" | "dumped"), Some(signal)) => Some(Ended::Killed(signal_name(signal))),
        _ => None,
    };
    Some(unit)
}

fn signal_name(number: i32) -> String {
    const NAMES: [(i32, &str); 8] =
        [(1, "HUP"), (2, "INT"), (6, "ABRT"), (7, "BUS"), (9, "KILL"), (11, "SEGV"), (13, "PIPE"), (15, "TERM")];
    NAMES.iter().find(|(n, _)| *n == number).map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    /// systemd 257, in colour.
    const RUNS: &str = "\x1b[0;1;32m●\x1b[0m nginx.service - A web server
     Loaded: loaded (\x1b]8;;file://h/lib/systemd/system/nginx.service\x07/lib/systemd/system/nginx.service\x1b]8;;\x07; \x1b[0;1;32menabled\x1b[0m; preset: enabled)
    Drop-In: /etc/systemd/system/nginx.service.d
             └─limits.conf
     Active: \x1b[0;1;32mactive (running)\x1b[0m since Tue 2026-11-24 13:28:50 UTC; 2min 6s ago
 Invocation: 4facc99828604967b78be9d354c7df45
    Process: 284 ExecStartPre=/bin/sh -c if [ ! -f /x ]; then (y) fi (code=exited, status=0/SUCCESS)
   Main PID: 287 (nginx)
      Tasks: 3 (limit: 14)
     CGroup: /system.slice/nginx.service
             └─287 nginx: master process

Nov 24 13:28:50 h systemd[1]: Started nginx.service - A web server.
";
    /// systemd 219 (RHEL 7).
    const FAILED: &str = "● app.service - An application
   Loaded: loaded (/etc/systemd/system/app.service; disabled; vendor preset: disabled)
   Active: failed (Result: signal) since Tue 2026-11-24 13:28:50 UTC; 2min ago
  Process: 700 ExecStart=/opt/app/run --all (code=killed, signal=KILL)
 Main PID: 700 (code=killed, signal=KILL)
";
    const LOOPS: &str = "● app.service - An application
     Loaded: loaded (/etc/systemd/system/app.service; static)
     Active: activating (auto-restart) (Result: exit-code) since Tue 2026-11-24 13:28:50 UTC; 2s ago
    Process: 700 ExecStartPre=/opt/app/check (code=exited, status=203/EXEC)
";
    const SHOW: &str = "Type=simple
MainPID=0
Result=oom-kill
ExecMainCode=2
ExecMainStatus=9
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=enabled
";

    #[test]
    fn systemd() {
        let unit = parse("nginx", RUNS).unwrap();
        assert_eq!((unit.active, unit.sub.as_str(), unit.pid, unit.line), (Active::Active, "running", Some(287), 5));
        assert_eq!((unit.load.as_str(), unit.enabled.as_deref(), unit.ended), ("loaded", Some("enabled"), None));
        assert_eq!(unit.since.as_deref(), Some("Tue 2026-11-24 13:28:50 UTC; 2min 6s ago"));
        let unit = parse("app", FAILED).unwrap();
        assert_eq!(
            (unit.result.as_deref(), unit.ended, unit.pid),
            (Some("signal"), Some(Ended::Killed("KILL".into())), None)
        );
        let unit = parse("app", LOOPS).unwrap();
        assert!(unit.restarting());
        assert_eq!((unit.result.as_deref(), unit.ended), (Some("exit-code"), Some(Ended::Exited(203))));
        assert_eq!(unit.enabled.as_deref(), Some("static"));
        let unit = parse("app", SHOW).unwrap();
        assert_eq!(
            (unit.result.as_deref(), unit.ended, unit.line),
            (Some("oom-kill"), Some(Ended::Killed("KILL".into())), 7)
        );
    }

    #[test]
    fn one_word_and_none() {
        assert_eq!(parse("x", "inactive\n").map(|unit| unit.active), Some(Active::Inactive));
        assert!(!parse("x", "Unit x.service could not be found.\n").unwrap().exists());
        // Cut within the word: it could be any state.
        assert_eq!(parse("x", "     Active: activ"), None);
        assert_eq!(parse("x", "Failed to connect to bus: Host is down\n"), None);
    }

    #[test]
    fn stands() {
        let rows = |text: &str| parse("x", text).map(|unit| (unit.active, unit.sub, unit.line)).into_iter().collect();
        trials::stands(&[RUNS, FAILED, LOOPS], rows);
        let rows = |text: &str| parse("x", text).map(|unit| (unit.active, unit.line)).into_iter().collect();
        trials::stands(&[SHOW, "inactive\n"], rows);
    }
}
