//! What the kubelet asks of containers (liveness, readiness), what it got, and whether anybody can answer there.
//!
//! Source: kubernetes/pkg/kubelet/prober/prober.go ("%s probe failed: %s"), kubernetes/pkg/probe/http ("HTTP probe failed
//! with statuscode: %d"), net.OpError ("connect: connection refused"), kubernetes/pkg/probe/grpc ("failed to connect service").

use std::collections::BTreeSet;

use crate::json::Value;

use super::{Finding, Lack, State, containers, rollout, service_port_mismatch};
use crate::{
    evidence::{Citation, Fact, Hosts, Object},
    model::{Model, is_ready, is_running},
    subject::Subject,
    symptoms::event_time,
};

/// One probe of one container.
#[derive(Clone)]
pub(super) struct KubeletProbe<'e> {
    pub pod: &'e Object,
    /// The container's place in the pod.
    pub container: usize,
    /// `livenessProbe`, `readinessProbe`, `startupProbe`.
    pub field: &'static str,
    /// What is set there.
    pub probe: &'e Value,
}

/// What the kubelet got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// An HTTP answer that says no.
    Status(u16),
    /// Nobody listens there; or, of a gRPC probe, which does not say why, no connection.
    NoConnection,
    /// Something that is not of the protocol in which it was asked.
    AnotherProtocol,
    /// Silence, or something else.
    Other,
}

/// Whether anybody can answer on the port that is asked.
pub(super) enum Door {
    /// The process listens there, or it should, by what the container declares.
    Open(String, Vec<Citation>),
    /// It does not, and does elsewhere.
    Shut(Vec<Citation>, Option<u16>),
    /// Not known.
    Unknown(Vec<Lack>),
}

/// What a cause says of workloads by their readiness probes, the first of which it has anything to say.
pub(super) fn of_readiness(
    model: &Model<'_>,
    one: impl Fn(&Model<'_>, &Subject, &Object, &KubeletProbe<'_>) -> Option<State>,
) -> Vec<Finding> {
    containers::examine(model, |workload, pod| {
        let probes = of(pod, "readinessProbe");
        probes.iter().find_map(|probe| one(model, workload, pod, probe)).map(|state| (state, false))
    })
}

/// That a pod is not one that runs and is not ready, where that is so.
pub(super) fn is_no_unready(pod: &Object) -> Option<State> {
    let state = || vec![pod.cite("/status/containerStatuses", "its state")];
    (!is_running(pod) || is_ready(pod)).then(|| State::excluded("it does not run unready", state()))
}

/// The probes of a pod of one kind.
pub(super) fn of<'e>(pod: &'e Object, field: &'static str) -> Vec<KubeletProbe<'e>> {
    let containers = pod.list("/spec/containers").iter().enumerate();
    containers
        .filter(|(_, container)| container[field].is_object())
        .map(|(container, spec)| KubeletProbe { pod, container, field, probe: &spec[field] })
        .collect()
}

impl<'e> KubeletProbe<'e> {
    /// A citation of what is set.
    pub fn cite(&self) -> Citation {
        self.pod.cite(&format!("/spec/containers/{}/{}", self.container, self.field), self.says())
    }

    /// In words: `readiness probe: GET /healthz on port 8081`.
    pub fn says(&self) -> String {
        let what = self.path().map(|path| format!("GET {path} on ")).unwrap_or_default();
        let port = match self.target() {
            Some(Value::String(name)) => name.to_string(),
            Some(port) => port.to_string(),
            None => "none".to_owned(),
        };
        format!("{} probe: {what}port {port}", self.field.trim_end_matches("Probe"))
    }

    /// The path that is asked for, of an HTTP probe.
    pub fn path(&self) -> Option<&'e str> {
        self.probe["httpGet"].is_object().then(|| self.probe["httpGet"]["path"].as_str().unwrap_or("/"))
    }

    /// Its container.
    pub fn container_spec(&self) -> &'e Value {
        &self.pod.list("/spec/containers")[self.container]
    }

    /// The name of the container.
    pub fn container_name(&self) -> &'e str {
        self.container_spec()["name"].as_str().unwrap_or_default()
    }

    /// How often the container was started again.
    pub fn restarts(&self) -> i64 {
        let statuses = self.pod.list("/status/containerStatuses").iter();
        let own = statuses.filter(|status| status["name"] == self.container_name());
        own.filter_map(|status| status["restartCount"].as_i64()).sum()
    }

    /// Where the port stands, below the probe's own field.
    pub fn port_field(&self) -> Option<&'static str> {
        ["httpGet", "tcpSocket", "grpc"].into_iter().find(|kind| self.probe[*kind].is_object())
    }

    fn target(&self) -> Option<&'e Value> {
        Some(&self.probe[self.port_field()?]["port"])
    }

    /// The port that is asked; `None` where it is a name that the container does not know, or no port at all.
    pub fn port(&self) -> Option<u16> {
        match self.target()? {
            Value::String(name) => {
                let ports = self.container_spec()["ports"].as_array().into_iter().flatten();
                let named = ports.into_iter().find(|port| port["name"] == name.as_str());
                named.and_then(|port| port["containerPort"].as_u64()).or_else(|| name.parse().ok())?.try_into().ok()
            }
            number => number.as_u64()?.try_into().ok(),
        }
    }

    /// Whether it names a port by a name that no port of the container has.
    pub fn names_no_port(&self) -> bool {
        self.target().is_some_and(Value::is_string) && self.port().is_none()
    }

    fn declared(&self) -> BTreeSet<u16> {
        let ports = self.container_spec()["ports"].as_array().into_iter().flatten();
        ports.into_iter().filter_map(|port| port["containerPort"].as_u64()?.try_into().ok()).collect()
    }

    /// What the kubelet got last, where it reports a failure.
    pub fn failure(&self, model: &Model<'_>) -> Option<(Got, Citation)> {
        let word = match self.field {
            "livenessProbe" => "Liveness probe",
            "startupProbe" => "Startup probe",
            _ => "Readiness probe",
        };
        let own = format!("spec.containers{{{}}}", self.container_name());
        let (event, message) = events(model, self.pod, "Unhealthy")
            .filter(|(event, message)| {
                message.starts_with(word) && event.text("/involvedObject/fieldPath").is_none_or(|path| path == own)
            })
            .last()?;
        Some((got(message), event.cite("/message", message)))
    }

    /// A port on which the container is known to answer: by another probe that succeeds, or by requests it answered.
    fn answers_on(&self, model: &Model<'_>) -> Option<(u16, Citation)> {
        let other = if self.field == "livenessProbe" { "readinessProbe" } else { "livenessProbe" };
        let others = of(self.pod, other).into_iter().filter(|probe| probe.container == self.container);
        let succeeding = others.filter(|probe| probe.succeeds(model)).find_map(|probe| {
            Some((
                probe.port()?,
                probe.pod.cite(
                    &format!("/spec/containers/{}/{other}", self.container),
                    format!("{}, which succeeds", probe.says()),
                ),
            ))
        });
        succeeding.or_else(|| self.served(model))
    }

    /// Whether this probe is known to succeed now.
    pub fn succeeds(&self, model: &Model<'_>) -> bool {
        if self.field == "readinessProbe" {
            return is_ready(self.pod);
        }
        // The kubelet would have restarted it by now.
        let patience = self.patience() + self.number("periodSeconds", 10);
        self.failure(model).is_none() && self.up(model).is_some_and(|up| up > patience)
    }

    /// A number that is set, or its default.
    pub fn number(&self, key: &str, default: i64) -> i64 {
        self.probe[key].as_i64().unwrap_or(default)
    }

    /// How many seconds its container has run.
    pub fn up(&self, model: &Model<'_>) -> Option<i64> {
        let statuses = self.pod.list("/status/containerStatuses").iter();
        let started = statuses
            .filter(|status| status["name"] == self.container_name())
            .find_map(|status| status["state"]["running"]["startedAt"].as_str()?.parse::<jiff::Timestamp>().ok());
        model.now.zip(started).map(|(now, started)| now.duration_since(started).as_secs())
    }

    /// A request that the pod answered, and on which port.
    fn served(&self, model: &Model<'_>) -> Option<(u16, Citation)> {
        let records = model.evidence.traffic.iter().enumerate().rev().filter(|(_, record)| record.succeeded());
        records.into_iter().find_map(|(index, record)| {
            let upstream = record.upstream.as_deref()?;
            let port = upstream.rsplit_once(':')?.1.parse().ok()?;
            let here = model.resolve(upstream, None).as_ref() == Some(self.pod.subject());
            here.then(|| {
                (port, Citation::line("traffic.jsonl", index + 1, format!("{upstream} answered {}", record.what())))
            })
        })
    }

    /// The probe before, where the last rollout changed nothing but this probe's port: the process is the same, and it was
    /// asked elsewhere.
    fn alone_is_new(&self, model: &Model<'_>) -> Option<Citation> {
        let workload = model.workload_of(self.pod.subject());
        let earlier = rollout::previous(model, &workload)?;
        let field = format!("/spec/containers/{}/{}", self.container, self.field);
        let alone = earlier
            .changed()
            .iter()
            .all(|changed| *changed == field || changed.ends_with("/port") && changed.starts_with(&field));
        alone.then(|| earlier.cite(&field, "the last rollout changed this probe, and nothing of the process"))
    }

    /// The port that everything else about the container speaks of: it declares it, and the other probe, which has not been seen
    /// to fail, or a Service asks there.
    fn meant(&self, model: &Model<'_>, port: u16) -> Option<(u16, Vec<Citation>)> {
        let declared = self.declared();
        let place = format!("/spec/containers/{}", self.container);
        let other = if self.field == "readinessProbe" { "livenessProbe" } else { "readinessProbe" };
        let others = of(self.pod, other).into_iter().filter(|probe| probe.container == self.container);
        let asked = others.filter(|probe| probe.failure(model).is_none()).find_map(|probe| {
            let asked = probe.port().filter(|asked| *asked != port && declared.contains(asked))?;
            Some((asked, self.pod.cite(&format!("{place}/{other}"), probe.says())))
        });
        let service = || {
            let dependents = model.dependents(self.pod.subject()).iter();
            let services = dependents.filter(|(_, relation)| *relation == crate::model::Relation::ForwardsTo);
            services.filter_map(|(service, _)| model.object(service)).find_map(|service| {
                let ports = service.list("/spec/ports").iter().enumerate();
                let mut targets = ports.filter_map(|(i, port)| {
                    Some((i, u16::try_from(port["targetPort"].as_u64().or(port["port"].as_u64())?).ok()?))
                });
                let (i, target) = targets.find(|(_, target)| *target != port && declared.contains(target))?;
                Some((target, service.cite(&format!("/spec/ports/{i}"), format!("forwards to {target}"))))
            })
        };
        let (instead, cited) = asked.or_else(service)?;
        let declares =
            self.pod.cite(&format!("{place}/ports"), format!("the container declares {instead}, not {port}"));
        Some((instead, vec![declares, cited]))
    }

    /// Whether anybody can answer on the port it asks.
    pub fn door(&self, model: &Model<'_>) -> Door {
        if self.names_no_port() {
            return Door::Shut(
                vec![self.pod.cite(&format!("/spec/containers/{}/ports", self.container), "no port of that name")],
                None,
            );
        }
        let Some(port) = self.port() else { return Door::Open("it asks no port".to_owned(), vec![self.cite()]) };
        let declares = self.declared().contains(&port);
        let node = self.pod.node().unwrap_or_default();
        let fact = service_port_mismatch::socket_fact(self.pod);
        let file = Hosts::file(node, &fact);
        let sockets = model.evidence.hosts.listeners(node, &fact);
        if let Fact::Seen(sockets) = &sockets {
            if let Some(socket) = sockets.iter().find(|socket| socket.port == port) {
                let says = format!("{}:{}", socket.address, socket.port);
                return Door::Open(
                    format!("the process listens on {says}"),
                    vec![Citation::line(&file, socket.line, says)],
                );
            }
            // The other containers of the pod show here as well: where this one declares ports, they are its own.
            let own = self.declared();
            let elsewhere = sockets.iter().filter(|socket| !socket.is_loopback()).map(|socket| socket.port);
            let instead = elsewhere.into_iter().find(|port| own.is_empty() || own.contains(port));
            if let Some(instead) = instead.filter(|_| !declares) {
                let says = format!("{} listens on {instead}, not on {port}", self.pod.subject());
                return Door::Shut(vec![Citation::new(&file, "", says)], Some(instead));
            }
        }
        if declares {
            let says = format!("the container declares port {port}: the process should listen there");
            return Door::Open(
                says,
                vec![self.pod.cite(&format!("/spec/containers/{}/ports", self.container), port.to_string())],
            );
        }
        if let Some((instead, cited)) = self.answers_on(model).filter(|(instead, _)| *instead != port) {
            return Door::Shut(vec![cited], Some(instead));
        }
        if let Some(cited) = self.alone_is_new(model) {
            return Door::Shut(vec![cited], None);
        }
        if let Some((instead, cited)) = self.meant(model, port) {
            return Door::Shut(cited, Some(instead));
        }
        let lack =
            |why: &str| Door::Unknown(service_port_mismatch::lack_sockets(model, self.pod, why).into_iter().collect());
        match sockets {
            Fact::Missed(why) => lack(&why),
            // A container that does not run at the moment listens nowhere, whatever it would do.
            Fact::Seen(_) if !is_running(self.pod) => lack("its container did not run when they were read"),
            Fact::Seen(_) => Door::Open(
                "nothing listens in the pod at all".to_owned(),
                vec![Citation::new(&file, "", "its sockets")],
            ),
        }
    }
}

/// What is said of an answer in another protocol: net/http, crypto/tls, grpc-go, and the kubelet's own gRPC probe.
const OTHERWISE: [&str; 5] = [
    "malformed HTTP response",
    "server gave HTTP response to HTTPS client",
    "first record does not look like a TLS handshake",
    "error reading server preface",
    "does not implement the grpc health protocol",
];

fn got(message: &str) -> Got {
    let status = message.split_once("statuscode: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
    match status {
        Some(status) => Got::Status(status),
        None if OTHERWISE.iter().any(|words| message.contains(words)) => Got::AnotherProtocol,
        None if message.contains("connection refused") || message.contains("failed to connect service") => {
            Got::NoConnection
        }
        None => Got::Other,
    }
}

/// Events of one reason about a pod, oldest first; not those of an earlier pod of its name.
pub(super) fn events<'e>(
    model: &Model<'e>,
    pod: &Object,
    reason: &str,
) -> impl Iterator<Item = (&'e Object, &'e str)> + use<'e> {
    let about = model.evidence.objects.events_about(pod.subject());
    let mut found: Vec<&Object> = about.filter(|event| event.text("/reason") == Some(reason)).collect();
    found.sort_by_key(|event| (event_time(event), event.subject().clone()));
    found.into_iter().filter_map(|event| Some((event, event.text("/message").or_else(|| event.text("/note"))?)))
}

/// The missing list of events.
pub(super) fn lack_events(model: &Model<'_>, pod: &Object) -> Option<Lack> {
    match model.evidence.listed("event", "events") {
        Fact::Missed(why) => Some(Lack::objects("events", Some(pod.namespace()), why)),
        Fact::Seen(()) => None,
    }
}

/// The change that sets a probe back to what it was, or failing that its port to the one that answers.
pub(super) fn fix(
    model: &Model<'_>,
    workload: &Subject,
    probe: &KubeletProbe<'_>,
    instead: Option<u16>,
    otherwise: &str,
) -> (crate::diagnosis::Fix, Vec<Citation>) {
    let object = model.object(workload);
    let place = object.and_then(|object| {
        object.list("/spec/template/spec/containers").iter().position(|c| c["name"] == probe.container_name())
    });
    let Some((object, place)) = object.zip(place) else {
        return (crate::diagnosis::Fix { summary: otherwise.to_owned(), patch: vec![] }, vec![]);
    };
    let field = format!("/spec/containers/{place}/{}", probe.field);
    let concerns = |changed: &str| changed == field || changed.starts_with(&format!("{field}/"));
    let (crate::diagnosis::Fix { mut patch, .. }, cited) = rollout::back(model, workload, "", concerns);
    if patch.is_empty()
        && let Some(like) = probe.like(model).filter(|_| instead.is_none())
    {
        let path = format!("/spec/template{field}");
        let from = object.get(&path).cloned().unwrap_or(Value::Null);
        patch.push(crate::diagnosis::Change::Set { object: workload.clone(), path, from, to: like.clone() });
    } else if patch.is_empty()
        && let Some((port, kind)) = instead.zip(probe.port_field())
    {
        let path = format!("/spec/template{field}/{kind}/port");
        let from = object.get(&path).cloned().unwrap_or(Value::Null);
        patch.push(crate::diagnosis::Change::Set { object: workload.clone(), path, from, to: port.into() });
    }
    (crate::diagnosis::Fix { summary: otherwise.to_owned(), patch }, cited.into_iter().collect())
}
