//! The server of a machine runs and listens, on another port than everybody asks for.
//!
//! # What it looks like
//! Every connection is refused at once, although the service is active and its process runs. It looks the same where nothing runs,
//! where the process listens for its own machine alone, and where a rule refuses.
//!
//! # Confirm by hand
//! On the server `ss -tlnp`: no socket on the port that clients ask for, one of the service on a port for which nobody asks;
//! `systemctl status UNIT` says active, with the same process.
//!
//! # Fix
//! Set the port in the settings of the server to the one that its clients use, and restart it (`systemctl restart UNIT`); or
//! change it with all clients, where the new one is meant.
//!
//! # Who acts
//! Whoever runs the machine, or the owner of the application.
//!
//! # Source
//! ss(8); tcp(7).

use super::{
    Case, Cause, Finding, State,
    listen_settings::{self, Wanted},
    listening::{self, Refused, Sockets, Why},
};
use crate::{diagnosis::Fix, evidence::Hosts, model::Model};

/// See the module's comment.
pub struct ListenWrongPort;

impl Cause for ListenWrongPort {
    fn id(&self) -> &'static str {
        "listen-wrong-port"
    }

    fn source(&self) -> &'static str {
        include_str!("listen_wrong_port.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let refused = listening::refused(case);
        refused.iter().map(|refused| refused.finding(case.model, look(case.model, refused))).collect()
    }
}

fn look(model: &Model<'_>, refused: &Refused<'_>) -> State {
    let host = &refused.host;
    let listening = match refused.sockets(model) {
        Sockets::Unseen(lack) => return State::Undecided(vec![lack]),
        Sockets::Take(cited) => return State::excluded("a process listens there", vec![cited]),
        Sockets::Loopback(cited) | Sockets::Elsewhere(cited) => {
            return State::excluded("a process listens on that port", cited);
        }
        Sockets::Nobody(listening) => listening,
    };
    match refused.why(model, &listening) {
        Why::Unclear(lacks) => State::Undecided(lacks),
        Why::Down(unit, cited) => State::excluded(format!("{} does not run", unit.name), vec![cited]),
        Why::Plain(_) => State::excluded("no process listens that nobody asks for", vec![refused.nobody()]),
        Why::OtherPort(other, unit) => {
            let whose = unit.as_ref().map_or_else(|| "the server".to_owned(), |(unit, _)| unit.name.clone());
            let says = format!("{}:{}, which nobody asks for", other.address, other.port);
            let mut evidence = vec![refused.nobody(), Hosts::cite(host, "ss", other.line, says)];
            evidence.extend(unit.map(|(_, cited)| cited));
            evidence.extend(refused.asked.first().into_iter().flat_map(|connection| connection.cites()));
            let summary =
                format!("Let {whose} on {host} listen on port {}, not {}, and restart it", refused.port, other.port);
            let (cited, change) = listen_settings::change(model, host, &other, Wanted::Port(refused.port)).unzip();
            evidence.extend(cited);
            State::holds(evidence, Fix { summary, patch: change.into_iter().collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::{check, patch};

    const WORLD: &str = "machine client 10.80.1.10/24
        machine app 10.80.1.20/24  listens 0.0.0.0:8080  listens 0.0.0.0:22
        probe host/client -> http://app.example.test/  refused in 1ms  at 10.80.1.20:80";
    const RUNS: &str = "unit app web active (running)";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{RUNS}\n=> listen-wrong-port host/app"));
    }

    #[test]
    fn the_fix_edits_the_servers_own_configuration() {
        let own = "unit app nginx active (running)
            file hosts/app/ss.txt | LISTEN 0 9 0.0.0.0:8080 0.0.0.0:* users:((\"nginx\",pid=9,fd=4))";
        let settings = "file services/app/nginx.conf.txt | # configuration file /etc/nginx/nginx.conf: | http { server { listen 0.0.0.0:8080; } }";
        let change = patch(&format!("{WORLD}\n{own}\n{settings}"));
        assert!(change.contains("#listen 0.0.0.0:80;#' /etc/nginx/nginx.conf && systemctl restart nginx"), "{change}");
        assert_eq!(patch(&format!("{WORLD}\n{own}\n{}", settings.replace("8080", "8081"))), "[]");
    }

    #[test]
    fn twin_the_other_port_is_asked_for_too() {
        check(&format!(
            "{WORLD}\n{RUNS}
             probe host/client -> http://app.example.test:8080/  200 in 1ms  at 10.80.1.20:8080
             => process-not-listening host/app"
        ));
    }

    #[test]
    fn twin_the_service_is_down_and_another_listens() {
        check(&format!("{WORLD}\nunit app web failed (Result: exit-code)\n=> process-not-listening host/app"));
    }

    #[test]
    fn unknown_without_sockets_or_services() {
        check(&format!("{WORLD}\n{RUNS}\nwithout hosts/app/ss.txt\n=> unknown lacks hosts/app/ss.txt"));
        check(&format!("{WORLD}\n=> unknown lacks hosts/app/systemctl.txt"));
    }
}
