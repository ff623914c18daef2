//! A Service forwards to a port on which its pods do not listen, while they listen on another.
//!
//! # What it looks like
//! Connections through the Service are refused at once; an ingress controller answers 502 within milliseconds. The pods are
//! ready, the Service has endpoints, and the application's log never shows the request.
//!
//! # Confirm by hand
//! `kubectl -n NS get endpointslices -l kubernetes.io/service-name=NAME` shows the port connections go to;
//! `kubectl -n NS exec POD -- ss -tln` shows the ports the process listens on. They differ.
//!
//! # Fix
//! Set `spec.ports[].targetPort` of the Service to the port (better: to the name of the port) the container listens on.
//!
//! # Who acts
//! The owner of the Service.
//!
//! # Source
//! kubernetes.io, Concepts / Service, "Port definitions"; Debug Services, "Is the Service defined correctly?".

use std::collections::BTreeSet;

use crate::json::{Value, json};

use super::{Case, Cause, Finding, Lack, Proof, State, asked_ports::declares};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Listener, Object},
    model::{Model, is_ready, is_running},
    policy::container_port,
    propagation::Mode,
    request::{Reading, Request},
};

/// See the module's comment.
pub struct ServicePortMismatch;

impl Cause for ServicePortMismatch {
    fn id(&self) -> &'static str {
        "service-port-mismatch"
    }

    fn source(&self) -> &'static str {
        include_str!("service_port_mismatch.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let services = case.model.evidence.objects.of_kind("service");
        services
            .filter(|service| !service.map("/spec/selector").is_empty())
            .flat_map(|service| {
                let ports = service.list("/spec/ports").len();
                (0..ports).filter_map(move |index| examine(case, service, index))
            })
            .collect()
    }
}

fn examine(case: &Case<'_, '_>, service: &Object, index: usize) -> Option<Finding> {
    let model = case.model;
    let port = &service.list("/spec/ports")[index];
    if port["protocol"].as_str().unwrap_or("TCP") != "TCP" {
        return None;
    }
    let pods: Vec<&Object> = model.selected_pods(service).iter().copied().filter(|pod| is_running(pod)).collect();
    let pointer = format!("/spec/ports/{index}/targetPort");
    let target = service.get(&pointer).or(port.get("port"));
    // Where nobody suffers only what holds is worth a word, and a port that a pod declares is right.
    let number = target.and_then(|target| u16::try_from(target.as_u64()?).ok());
    let wrong = |number| !pods.is_empty() && !pods.iter().any(|pod| declares(pod, number));
    if !case.in_scope(service.subject()) && !number.is_some_and(wrong) {
        return None;
    }
    let state = match target {
        _ if pods.is_empty() => State::excluded(
            "no pod it selects is running",
            vec![service.cite("/spec/selector", "selects no running pod")],
        ),
        Some(Value::String(name)) => {
            let named = pods.iter().all(|pod| container_port(pod, name).is_some());
            let says = if named { "the name is a container's port" } else { "no container has a port of that name" };
            State::excluded(says, vec![service.cite(&pointer, name.as_str())])
        }
        _ => numeric(model, service, index, number?, &pods),
    };
    Some(Finding {
        subject: service.subject().clone(),
        effects: vec![(service.subject().clone(), Mode::Refused)],
        state,
    })
}

/// What is known of one pod's ports.
struct PodPorts<'e> {
    pod: &'e Object,
    /// Ports the containers declare.
    declared: BTreeSet<u16>,
    /// A port that is known to be listened on because the readiness check of a ready pod goes there.
    checked: Option<u16>,
    /// The sockets themselves.
    sockets: Fact<Vec<Listener>>,
    socket_file: String,
}

fn numeric(model: &Model<'_>, service: &Object, index: usize, target: u16, pods: &[&Object]) -> State {
    let known: Vec<PodPorts<'_>> = pods.iter().map(|pod| pod_ports(model, pod)).collect();
    let wants: Vec<Lack> = known.iter().filter_map(|ports| lacking_sockets(model, ports)).collect();
    let pointer = format!("/spec/ports/{index}/targetPort");
    let mut evidence = vec![service.cite(&pointer, target.to_string())];
    let mut instead: Option<BTreeSet<u16>> = None;
    for ports in &known {
        let listened: BTreeSet<u16> = match &ports.sockets {
            Fact::Seen(sockets) => {
                if let Some(socket) = sockets.iter().find(|socket| socket.port == target) {
                    let where_ = if socket.is_loopback() { "listens on it, on loopback only" } else { "listens on it" };
                    let because = format!("{} {where_}", ports.pod.subject());
                    return State::excluded(
                        because,
                        vec![Citation::line(
                            &ports.socket_file,
                            socket.line,
                            format!("{}:{}", socket.address, socket.port),
                        )],
                    );
                }
                evidence.push(Citation::new(
                    &ports.socket_file,
                    "",
                    format!("{} listens on {}", ports.pod.subject(), list(sockets)),
                ));
                sockets.iter().filter(|socket| !socket.is_loopback()).map(|socket| socket.port).collect()
            }
            Fact::Missed(_) => match ports.checked {
                Some(checked) if checked != target && !ports.declared.contains(&target) => {
                    evidence.push(
                        ports
                            .pod
                            .cite("/spec/containers", format!("ready, checked on port {checked}, which it declares")),
                    );
                    BTreeSet::from([checked])
                }
                Some(checked) if checked == target => {
                    return State::excluded(
                        format!("{} is ready, checked on that port", ports.pod.subject()),
                        vec![ports.pod.cite("/spec/containers", target.to_string())],
                    );
                }
                _ => return State::Undecided(wants),
            },
        };
        if ports.declared.contains(&target) {
            let because = format!(
                "{} declares {target} and does not listen on it: the process is at fault, not the Service",
                ports.pod.subject()
            );
            return State::excluded(because, vec![ports.pod.cite("/spec/containers", target.to_string())]);
        }
        // What all pods have in common is what the Service should forward to; what they declare comes first.
        let common: BTreeSet<u16> =
            instead.map_or(listened.clone(), |known| known.intersection(&listened).copied().collect());
        let declared: BTreeSet<u16> = common.intersection(&ports.declared).copied().collect();
        instead = Some(if declared.is_empty() { common } else { declared });
    }
    let instead = instead.unwrap_or_default();
    let front = service.number(&format!("/spec/ports/{index}/port")).and_then(|port| u16::try_from(port).ok());
    let right = front.filter(|port| instead.contains(port)).or_else(|| instead.first().copied());
    let Some(right) = right else {
        return State::excluded("no pod listens on any port", evidence);
    };
    let from = service.get(&pointer).cloned().unwrap_or(Value::Null);
    let fix = Fix {
        summary: format!("Point {} at the port its pods listen on: targetPort {target} -> {right}", service.subject()),
        patch: vec![Change::Set { object: service.subject().clone(), path: pointer, from, to: json!(right) }],
    };
    State::Holds(Box::new(Proof { evidence, fix, wants, changed: None }))
}

fn pod_ports<'e>(model: &Model<'e>, pod: &'e Object) -> PodPorts<'e> {
    let node = pod.node().unwrap_or_default();
    let fact = socket_fact(pod);
    let mut declared = BTreeSet::new();
    let mut checked = None;
    for container in pod.list("/spec/containers") {
        let ports = container["ports"].as_array().into_iter().flatten();
        declared.extend(ports.filter_map(|port| u16::try_from(port["containerPort"].as_u64()?).ok()));
        let probe = &container["readinessProbe"];
        let port = [&probe["httpGet"]["port"], &probe["tcpSocket"]["port"], &probe["grpc"]["port"]]
            .into_iter()
            .find(|port| !port.is_null());
        let number = port.and_then(|port| match port {
            Value::String(name) => container_port(pod, name),
            number => number.as_u64()?.try_into().ok(),
        });
        checked = checked.or(number.filter(|_| is_ready(pod)));
    }
    PodPorts {
        pod,
        declared,
        checked,
        sockets: model.evidence.hosts.listeners(node, &fact),
        socket_file: Hosts::file(node, &fact),
    }
}

/// Whether a pod's sockets were collected.
pub(super) fn has_sockets(model: &Model<'_>, pod: &Object) -> bool {
    let hosts = &model.evidence.hosts;
    let node = pod.node().unwrap_or_default();
    hosts.has(node) && hosts.text(node, &socket_fact(pod)).seen().is_some()
}

/// The name of the fact that holds a pod's sockets.
pub(super) fn socket_fact(pod: &Object) -> String {
    format!("ss-{}_{}", pod.namespace(), pod.name())
}

fn lacking_sockets(model: &Model<'_>, ports: &PodPorts<'_>) -> Option<Lack> {
    match &ports.sockets {
        Fact::Missed(why) => lack_sockets(model, ports.pod, why),
        Fact::Seen(_) => None,
    }
}

/// The missing reading of a pod's sockets.
pub(super) fn lack_sockets(model: &Model<'_>, pod: &Object, why: &str) -> Option<Lack> {
    let node = pod.node()?.to_owned();
    let file = Hosts::file(&node, &socket_fact(pod));
    let how = format!("kubectl -n {} exec {} -- ss -tln", pod.namespace(), pod.name());
    let why = model.evidence.coverage.why_missed(&file).unwrap_or(why).to_owned();
    let reading = Reading::PodSockets { pod: pod.subject().clone(), node };
    Some(Lack { what: file.clone(), why, how: how.clone(), request: Some(Request { file, how, reading }) })
}

fn list(sockets: &[Listener]) -> String {
    if sockets.is_empty() {
        return "nothing".to_owned();
    }
    let names: BTreeSet<String> = sockets.iter().map(|socket| format!("{}:{}", socket.address, socket.port)).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    #[test]
    fn holds_by_sockets() {
        check(
            "service shop/web  selector app=web  80 -> 8080
             pod shop/web-1  app=web  ready  listens 0.0.0.0:80
             ingress shop/web  shop.example.test -> web
             probe http://shop.example.test/  502 in 3ms
             => service-port-mismatch service/shop/web",
        );
    }

    #[test]
    fn holds_by_declared_port_and_readiness_when_sockets_cannot_be_read() {
        check(
            "service shop/web  selector app=web  80 -> 8080
             pod shop/web-1  app=web  ready  declares 80  checked 80
             probe service/shop/web:80  refused in 1ms
             => service-port-mismatch service/shop/web",
        );
    }

    #[test]
    fn unknown_without_sockets_and_declared_ports() {
        check(
            "service shop/web  selector app=web  80 -> 8080
             pod shop/web-1  app=web  ready
             probe service/shop/web:80  refused in 1ms
             => unknown lacks hosts/n1/ss-shop_web-1.txt",
        );
    }

    #[test]
    fn twin_loopback_listener() {
        check(
            "service shop/web  selector app=web  80 -> 8080
             pod shop/web-1  app=web  ready  listens 127.0.0.1:8080
             probe service/shop/web:80  refused in 1ms
             => listen-loopback-only pod/shop/web-1",
        );
    }

    #[test]
    fn twin_silence_is_not_a_wrong_port() {
        check(
            "service shop/web  selector app=web  80 -> 8080
             pod shop/web-1  app=web  ready  listens 0.0.0.0:80
             probe service/shop/web:80  timeout in 3s
             => unknown",
        );
    }

    #[test]
    fn twin_process_listens_elsewhere_than_it_declares() {
        check(
            "service shop/web  selector app=web  80 -> 8080
             pod shop/web-1  app=web  ready  declares 8080  listens 0.0.0.0:9090
             probe service/shop/web:80  refused in 1ms
             => unknown",
        );
    }
}
