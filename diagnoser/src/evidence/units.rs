//! `hosts/<host>/systemctl-<unit>.txt`: what systemd says of a service of the host.

use super::{Citation, Fact, Hosts};

impl Hosts {
    /// The state of a unit as `systemctl status` names it (`active`, `inactive`, `failed`, `activating`), and where it stands.
    pub fn unit(&self, host: &str, unit: &str) -> Fact<(String, Citation)> {
        let fact = format!("systemctl-{unit}");
        let text = match self.text(host, &fact) {
            Fact::Seen(text) => text,
            Fact::Missed(why) => return Fact::Missed(why),
        };
        let found = text.lines().enumerate().find_map(|(index, line)| {
            let said = line.trim().strip_prefix("Active:")?.trim();
            let state = said.split_whitespace().next()?.to_owned();
            Some((state, Citation::line(&Self::file(host, &fact), index + 1, format!("{unit}: {said}"))))
        });
        found.map_or_else(|| Fact::Missed("it does not say in what state the unit is".to_owned()), Fact::Seen)
    }
}
