//! The process listens on the right port, but on the loopback address only: nobody outside its pod or machine can
//! connect.
//!
//! # What it looks like
//! Connections to the pod and through its Service are refused at once, while from inside the pod everything works.
//! A wrong targetPort looks the same from outside; the sockets tell them apart.
//!
//! # Confirm by hand
//! `kubectl -n NS exec POD -- ss -tln` shows `127.0.0.1:PORT` (or `[::1]:PORT`) and no `0.0.0.0`, `*` or pod address; on a
//! machine `ss -tlnp`.
//!
//! # Fix
//! Let the process listen on all addresses, or on the one that is asked for (`listen_addresses`, `bind`, `bindIp`, `listen`).
//!
//! # Who acts
//! The owner of the application: the address is a setting of the process.
//!
//! # Source
//! ip(7), INADDR_LOOPBACK; kubernetes.io, Debug Services, "Are the Pods working?".

use super::{
    Case, Cause, Finding, Proof, State,
    listen_settings::{self, Wanted},
    listening::{self, Refused, Sockets},
    postgres, service_port_mismatch,
};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact, Hosts, Object},
    model::{Model, is_running},
    policy::container_port,
    propagation::Mode,
};

/// See the module's comment.
pub struct ListenLoopbackOnly;

impl Cause for ListenLoopbackOnly {
    fn id(&self) -> &'static str {
        "listen-loopback-only"
    }

    fn source(&self) -> &'static str {
        include_str!("listen_loopback_only.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for service in case.model.evidence.objects.of_kind("service") {
            for pod in case.model.selected_pods(service).iter().copied().filter(|pod| is_running(pod)) {
                for target in targets(service, pod) {
                    found.extend(examine(case, pod, target));
                }
            }
        }
        let refused = listening::refused(case);
        found.extend(refused.iter().map(|refused| refused.finding(case.model, of_machine(case.model, refused))));
        found
    }
}

fn of_machine(model: &Model<'_>, refused: &Refused<'_>) -> State {
    match refused.sockets(model) {
        Sockets::Unseen(lack) => State::Undecided(vec![lack]),
        Sockets::Take(cited) => State::excluded("a process listens there for others", vec![cited]),
        Sockets::Elsewhere(cited) => State::excluded("a process listens on another address", cited),
        Sockets::Nobody(_) => State::excluded("nothing listens on the port", vec![refused.nobody()]),
        Sockets::Loopback(mut evidence) => {
            evidence.extend(refused.asked.first().into_iter().flat_map(|connection| connection.cites()));
            let Refused { host, address, port, .. } = refused;
            // Some servers say by themselves where the address is set.
            if let Some((cited, fix)) = postgres::listening(model, host, *port) {
                evidence.push(cited);
                return State::holds(evidence, fix);
            }
            let summary =
                format!("Let the process on {host} listen on {address}:{port} or for all instead of loopback");
            let socket = refused.socket(model);
            let (cited, change) = socket
                .and_then(|socket| listen_settings::change(model, host, &socket, Wanted::Others(*address)))
                .unzip();
            evidence.extend(cited);
            State::holds(evidence, Fix { summary, patch: change.into_iter().collect() })
        }
    }
}

/// The pod ports a Service forwards to.
fn targets(service: &Object, pod: &Object) -> Vec<u16> {
    let ports = service.list("/spec/ports").iter();
    ports
        .filter_map(|port| match port.get("targetPort").unwrap_or(&port["port"]) {
            crate::json::Value::String(name) => container_port(pod, name),
            number => number.as_u64()?.try_into().ok(),
        })
        .collect()
}

fn examine(case: &Case<'_, '_>, pod: &Object, target: u16) -> Option<Finding> {
    let (model, node) = (case.model, pod.node()?);
    if !case.in_scope(pod.subject()) && !service_port_mismatch::has_sockets(model, pod) {
        return None;
    }
    let fact = service_port_mismatch::socket_fact(pod);
    let state = match model.evidence.hosts.listeners(node, &fact) {
        Fact::Missed(why) => {
            State::Undecided(service_port_mismatch::lack_sockets(model, pod, &why).into_iter().collect())
        }
        Fact::Seen(sockets) => {
            let here: Vec<_> = sockets.iter().filter(|socket| socket.port == target).collect();
            let cited: Vec<Citation> = here
                .iter()
                .map(|socket| {
                    Citation::line(
                        &Hosts::file(node, &fact),
                        socket.line,
                        format!("{}:{}", socket.address, socket.port),
                    )
                })
                .collect();
            if here.is_empty() {
                State::excluded(
                    format!("{} does not listen on {target} at all", pod.subject()),
                    vec![Citation::new(Hosts::file(node, &fact), "", "its sockets")],
                )
            } else if here.iter().all(|socket| socket.is_loopback()) {
                let fix = Fix {
                    summary: format!("Let {} listen on 0.0.0.0:{target} instead of loopback", pod.subject()),
                    patch: vec![],
                };
                State::Holds(Box::new(Proof { evidence: cited, fix, wants: vec![], changed: None }))
            } else {
                State::excluded(format!("{} listens on {target} for everyone", pod.subject()), cited)
            }
        }
    };
    Some(Finding { subject: pod.subject().clone(), effects: vec![(pod.subject().clone(), Mode::Refused)], state })
}

#[cfg(test)]
mod tests {
    use crate::sketch::{check, patch};

    #[test]
    fn holds() {
        check(
            "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  declares 80  listens 127.0.0.1:80
             probe service/a/s:80  refused in 1ms
             => listen-loopback-only pod/a/s-1",
        );
    }

    #[test]
    fn twin_listens_for_everyone_on_another_port() {
        check(
            "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:81
             probe service/a/s:80  refused in 1ms
             => service-port-mismatch service/a/s",
        );
    }

    #[test]
    fn holds_on_a_machine() {
        let world = "machine client 10.80.1.10/24
             machine db 10.80.1.20/24  listens 127.0.0.1:5432  listens [::1]:5432
             probe host/client -> postgres://db.example.test/x  refused in 1ms  at 10.80.1.20:5432";
        check(&format!("{world}\n=> listen-loopback-only host/db"));
        check(&format!("{world}\nwithout hosts/db/ss.txt\n=> unknown lacks hosts/db/ss.txt"));
        let other = world.replace(":5432  l", ":5433  l").replace("[::1]:5432", "[::1]:5433");
        check(&format!("{other}\n=> process-not-listening host/db"));
    }

    #[test]
    fn the_fix_edits_the_servers_own_configuration() {
        let world = |port: u16, server: &str| {
            format!(
                "machine client 10.80.1.10/24
                 machine app 10.80.1.20/24
                 unit app {server} active (running)
                 file hosts/app/ss.txt | LISTEN 0 9 127.0.0.1:{port} 0.0.0.0:* users:((\"{server}\",pid=9,fd=4))
                 probe host/client -> tcp://10.80.1.20:{port}  refused in 1ms"
            )
        };
        let nginx = "file services/app/nginx.conf.txt | # configuration file /etc/nginx/nginx.conf: | http { | > include sites/*; | } \
                     | # configuration file /etc/nginx/sites/a.conf: | server { listen 81; } | server { listen localhost:80 default_server; }";
        let change = patch(&format!("{}\n{nginx}", world(80, "nginx")));
        assert!(
            change.contains("#listen 80 default_server;#' /etc/nginx/sites/a.conf && systemctl restart nginx"),
            "{change}"
        );
        let mongod = "file services/app/mongod.conf.txt | storage: | >  dbPath: /x | net: | >  port: 27018 | >  bindIp: 127.0.0.1 | security: | >  port: 9";
        let change = patch(&format!("{}\n{mongod}", world(27018, "mongod")));
        assert!(
            change.contains("#bindIp: 127.0.0.1,10.80.1.20#' /etc/mongod.conf && systemctl restart mongod"),
            "{change}"
        );
        // The configuration is about another socket, or nobody knows whose it is.
        assert_eq!(patch(&format!("{}\n{mongod}", world(27017, "mongod"))), "[]");
        assert_eq!(patch(&format!("{}\n{nginx}", world(80, "caddy"))), "[]");
    }

    #[test]
    fn unknown_without_sockets() {
        check(
            "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  declares 80
             probe service/a/s:80  refused in 1ms
             => unknown lacks hosts/n1/ss-a_s-1.txt",
        );
    }
}
