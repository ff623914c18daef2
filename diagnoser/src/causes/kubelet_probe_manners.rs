//! How a probe asks: in which protocol, how soon and how patiently; and whether what it asks can answer that.
//!
//! Source: core/v1 types.go on Probe (defaults of its numbers); kubernetes/pkg/kubelet/prober/worker.go (when it counts).

use crate::json::Value;

use super::{
    kubelet_probes::{Got, KubeletProbe, of},
    rollout,
};
use crate::{evidence::Citation, model::Model};

impl<'e> KubeletProbe<'e> {
    /// How many seconds after its start a container is ended that never answers.
    pub fn patience(&self) -> i64 {
        let more = self.number("failureThreshold", 3).max(1) - 1;
        self.number("initialDelaySeconds", 0)
            + self.number("periodSeconds", 10) * more
            + self.number("timeoutSeconds", 1)
    }

    /// How many seconds after its start a container can first count as one that answers.
    pub fn first_answer(&self) -> i64 {
        let more = self.number("successThreshold", 1).max(1) - 1;
        self.number("initialDelaySeconds", 0) + self.number("periodSeconds", 10) * more
    }

    /// Whether another probe of its container is known to succeed, and where that is set.
    pub fn another_succeeds(&self, model: &Model<'_>) -> Option<Citation> {
        let others = ["livenessProbe", "startupProbe"].into_iter().filter(|field| *field != self.field);
        let mut others = others.flat_map(|field| of(self.pod, field)).filter(|other| other.container == self.container);
        let other = others.find(|other| other.succeeds(model))?;
        let says = format!("{}, which succeeds", other.says());
        Some(self.pod.cite(&format!("/spec/containers/{}/{}", self.container, other.field), says))
    }

    /// Whether it gives its container up before anybody expects it to answer: before its readiness probe first asks on the same
    /// port, or sooner than the probe before, where nothing but that is new. And what shows it.
    pub fn gives_up_too_soon(&self, model: &Model<'_>) -> Option<Citation> {
        if self.field == "livenessProbe" && self.container_spec()["startupProbe"].is_object() {
            return None;
        }
        let patience = self.patience();
        let mut ready = of(self.pod, "readinessProbe").into_iter().filter(|other| other.container == self.container);
        let later =
            ready.find(|other| other.port() == self.port() && other.number("initialDelaySeconds", 0) > patience);
        if let Some(later) = later {
            let delay = later.number("initialDelaySeconds", 0);
            let says = format!("the {} first asks after {delay} s, this one gives up after {patience} s", later.says());
            return Some(self.pod.cite(&format!("/spec/containers/{}/readinessProbe", self.container), says));
        }
        let earlier = rollout::previous(model, &model.workload_of(self.pod.subject()))?;
        let field = format!("/spec/containers/{}/{}", self.container, self.field);
        let alone = earlier.changed().iter().all(|changed| changed.starts_with(&field));
        let probe = earlier.get(&field).filter(|_| alone)?;
        let before = KubeletProbe { probe, ..self.clone() };
        let same = (before.port(), before.path(), before.tongue()) == (self.port(), self.path(), self.tongue());
        let says = format!("it gave up after {} s before, and does after {patience} s", before.patience());
        (same && before.patience() > patience).then(|| earlier.cite(&field, says))
    }

    /// Whether what it asks speaks another protocol than it is asked in, and what shows it. A gRPC probe does not tell nobody from
    /// somebody who speaks otherwise; there a probe in another protocol tells, or that this one is all that is new.
    pub fn speaks_otherwise(&self, model: &Model<'_>, got: Got) -> Option<Vec<Citation>> {
        let others = ["livenessProbe", "readinessProbe"].into_iter().filter(|field| *field != self.field);
        let others = others.flat_map(|field| of(self.pod, field)).filter(|other| other.container == self.container);
        let others: Vec<KubeletProbe<'_>> = others.filter(|other| other.succeeds(model)).collect();
        // Asked so elsewhere, it answers: then the port is wrong, and not the protocol.
        if others.iter().any(|other| other.port() != self.port() && other.tongue() == self.tongue()) {
            return None;
        }
        let mut same = others.iter().filter(|other| other.port() == self.port() && other.tongue() != self.tongue());
        let says = same.find(|other| other.tongue() != "tcpSocket").map(|other| {
            let says = format!("{}, which succeeds in {}", other.says(), other.tongue());
            self.pod.cite(&format!("/spec/containers/{}/{}", self.container, other.field), says)
        });
        match got {
            Got::AnotherProtocol => Some(says.into_iter().collect()),
            Got::NoConnection if self.tongue() == "grpc" => {
                says.or_else(|| self.was_asked_otherwise(model)).map(|s| vec![s])
            }
            _ => None,
        }
    }

    /// How it asks: `httpGet`, `HTTPS`, `tcpSocket`, `grpc`, or by a command.
    pub fn tongue(&self) -> &'static str {
        match self.port_field() {
            Some("httpGet") if self.probe["httpGet"]["scheme"] == "HTTPS" => "HTTPS",
            Some(kind) => kind,
            None => "exec",
        }
    }

    /// The probe before, where it asked on the same port in another protocol, and nothing but the probe is new.
    fn was_asked_otherwise(&self, model: &Model<'_>) -> Option<Citation> {
        let earlier = rollout::previous(model, &model.workload_of(self.pod.subject()))?;
        let field = format!("/spec/containers/{}/{}", self.container, self.field);
        let alone = earlier.changed().iter().all(|changed| changed.starts_with(&field));
        let probe = earlier.get(&field).filter(|_| alone)?;
        let before = KubeletProbe { probe, ..self.clone() };
        let otherwise = before.port() == self.port() && before.tongue() != self.tongue();
        otherwise.then(|| earlier.cite(&field, format!("it was asked in {} before", before.tongue())))
    }

    /// The probe of the same container that succeeds on the same port in another protocol, to be asked so as well.
    pub fn like(&self, model: &Model<'_>) -> Option<&'e Value> {
        let others = ["livenessProbe", "readinessProbe"].into_iter().filter(|field| *field != self.field);
        let mut others = others.flat_map(|field| of(self.pod, field)).filter(|other| other.container == self.container);
        let fits = |other: &KubeletProbe<'_>| other.port() == self.port() && other.tongue() != self.tongue();
        Some(others.find(|other| fits(other) && other.succeeds(model))?.probe)
    }
}
