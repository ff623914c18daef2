//! The words of other service managers: OpenRC (`rc-service x status`, `rc-status`), SysV scripts (`service x status`) and Upstart.

use super::{
    text,
    units::{Active, Unit, bare},
};

/// A line of `rc-status`: ` nginx    [  started 00:10:11 (0) ]`, or of `service --status-all`: ` [ + ]  nginx`.
pub(super) fn listed(line: usize, said: &str) -> Option<Unit> {
    let (before, rest) = said.split_once('[')?;
    let (inside, after) = rest.split_once(']')?;
    let (state, _) = text::word(inside);
    let (name, state) = match (before.trim(), after.trim()) {
        ("", name) => (
            name,
            match state {
                "+" => "started",
                "-" => "stopped",
                _ => return None,
            },
        ),
        (name, "") => (name, state),
        _ => return None,
    };
    if name.contains(char::is_whitespace) {
        return None;
    }
    let (active, sub) = openrc(state)?;
    Some(Unit::new(name, active, sub, line, said))
}

/// The answer of a script about one service.
pub(super) fn said(name: &str, line: usize, said: &str) -> Option<Unit> {
    let words = said.trim().trim_start_matches("* ").trim();
    if let Some(state) = words.strip_prefix("status:") {
        let (active, sub) = openrc(state.trim())?;
        return Some(Unit::new(name, active, sub, line, said));
    }
    let (subject, rest) = text::word(words);
    if subject.trim_end_matches(':') != bare(name) {
        return None;
    }
    // `x (pid 12 13) is running...`, `x start/running, process 12`, `x dead but pid file exists`, `x is not running`
    let rest = match rest.strip_prefix('(') {
        Some(inside) => inside.split_once(')')?.1.trim_start(),
        None => rest,
    };
    let rest = rest.strip_prefix("is ").unwrap_or(rest).trim_end_matches(['.', '\n']);
    let (active, sub) = match rest {
        "running" => (Active::Active, "running"),
        "stopped" | "not running" => (Active::Inactive, "dead"),
        _ if rest.starts_with("start/running") => (Active::Active, "running"),
        _ if rest.starts_with("stop/waiting") => (Active::Inactive, "dead"),
        _ if rest.starts_with("dead but") => (Active::Failed, "failed"),
        _ => return None,
    };
    Some(Unit::new(name, active, sub, line, said))
}

fn openrc(state: &str) -> Option<(Active, &'static str)> {
    Some(match state {
        "started" => (Active::Active, "running"),
        "stopped" => (Active::Inactive, "dead"),
        "crashed" | "failed" => (Active::Failed, "failed"),
        "starting" => (Active::Activating, "start"),
        "stopping" => (Active::Deactivating, "stop"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const SAID: &str = " * status: started
 * status: crashed
nginx (pid  1234 1235) is running...
nginx is running.
 * nginx is not running
nginx dead but pid file exists
nginx is stopped
nginx start/running, process 812
nginx stop/waiting
";

    #[test]
    fn states() {
        use Active::{Active as Runs, Failed, Inactive};
        let found: Vec<Active> =
            text::lines(SAID).filter_map(|(line, text)| Some(said("nginx", line, &text)?.active)).collect();
        assert_eq!(found, [Runs, Failed, Runs, Runs, Inactive, Failed, Inactive, Runs, Inactive]);
        assert_eq!(listed(1, " [ - ]  nginx").map(|unit| unit.active), Some(Inactive));
        assert_eq!(said("nginx", 1, "nginxx is running"), None);
        assert_eq!(said("nginx", 1, "nginx is run"), None);
    }

    #[test]
    fn stands() {
        trials::stands(&[SAID, " sshd   [  started  ]\n [ + ]  cron\n"], |text| {
            let each = |(line, text): (usize, std::borrow::Cow<'_, str>)| {
                said("nginx", line, &text).or_else(|| listed(line, &text))
            };
            text::lines(text).filter_map(each).collect::<Vec<_>>()
        });
    }
}
