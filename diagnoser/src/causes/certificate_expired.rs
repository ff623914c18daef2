//! A server's certificate has expired, and those who ask it refuse to go on.
//!
//! # What it looks like
//! From one moment on, to the minute and without any change, whoever connects by TLS turns back: `x509: certificate has expired or is
//! not yet valid`, `CertificateExpiredException`, `CERT_HAS_EXPIRED`. The server runs, is reached, and knows nothing of it; who does
//! not look at certificates is served. Where the clock of one client is wrong it alone refuses, and every server.
//!
//! # Confirm by hand
//! `openssl s_client -connect HOST:PORT -servername HOST </dev/null | openssl x509 -noout -dates`; `kubectl -n NS get secret NAME -o
//! jsonpath='{.data.tls\.crt}' | base64 -d | openssl x509 -noout -enddate`.
//!
//! # Fix
//! Renew the certificate and let the server read it (many do so only when they start). Have it renewed by itself, and an alert
//! before it expires.
//!
//! # Who acts
//! Whoever runs the server; of an Ingress the owner of the secret in its `tls`.
//!
//! # Source
//! RFC 5280 section 4.1.2.5 (validity); kubernetes.io, Ingress, "TLS"; Certificate Management with kubeadm.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Cause, Finding, State, refusals};
use crate::{
    attempts,
    diagnosis::Fix,
    evidence::{Citation, Target},
    model::{Model, Relation, is_down},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct CertificateExpired;

/// A server, with what is told of it and what comes of it.
type Told = (Vec<Citation>, BTreeSet<(Subject, Mode)>);

impl Cause for CertificateExpired {
    fn id(&self) -> &'static str {
        "certificate-expired"
    }

    fn source(&self) -> &'static str {
        include_str!("certificate_expired.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut servers: BTreeMap<Subject, Told> = BTreeMap::new();
        by_clients(model, &mut servers);
        by_probes(case, &mut servers);
        let told = servers.into_iter().map(|(subject, (evidence, effects))| {
            let fix = fix(&subject);
            let state = State::holds(evidence.into_iter().take(4).collect(), fix);
            Finding { subject, effects: effects.into_iter().collect(), state }
        });
        // A webhook that has to be asked about new pods.
        let refused = refusals::findings(case, |lacking, text, evidence| {
            let service =
                super::admission_webhook_unavailable::service(text).filter(|_| attempts::tells_of_expiry(text));
            let subject =
                service.or_else(|| attempts::tells_of_expiry(text).then(|| lacking.workload.subject().clone()))?;
            let fix = fix(&subject);
            Some((subject, State::holds(evidence, fix)))
        });
        let refused = refused.into_iter().filter(|finding| matches!(finding.state, State::Holds(_)));
        told.chain(refused).collect()
    }
}

/// Services of which pods tell that their certificate has expired.
fn by_clients(model: &Model<'_>, servers: &mut BTreeMap<Subject, Told>) {
    const LINES: usize = 100;
    for pod in model.evidence.objects.of_kind("pod") {
        let mut told: BTreeMap<Subject, Citation> = BTreeMap::new();
        for log in model.evidence.logs.of(pod.subject()) {
            let lines = log.text.lines().rev().take(LINES).filter(|line| attempts::tells_of_expiry(line));
            for service in lines.flat_map(attempts::addresses).filter_map(|word| attempts::service(model, pod, word)) {
                let of = |line: &str| {
                    attempts::tells_of_expiry(line)
                        && attempts::addresses(line)
                            .any(|word| attempts::service(model, pod, word).as_ref() == Some(&service))
                };
                told.extend(log.last_line_within(LINES, of).map(|cited| (service.clone(), cited)));
            }
        }
        for (service, cited) in told {
            let (evidence, effects) = servers.entry(service).or_default();
            evidence.push(cited);
            effects.insert((pod.subject().clone(), Mode::Errors));
            effects.extend(is_down(pod).then(|| (pod.subject().clone(), Mode::Down)));
        }
    }
}

/// Servers whose certificate a probe turned down: of a name that an Ingress serves its secret, else the name's own.
fn by_probes(case: &Case<'_, '_>, servers: &mut BTreeMap<Subject, Told>) {
    let model = case.model;
    for (index, probe) in model.evidence.probes.iter().enumerate() {
        if !probe.text.as_deref().is_some_and(attempts::tells_of_expiry) {
            continue;
        }
        let asked = match probe.target() {
            Target::Object(subject, _) => subject,
            target => match target.host() {
                Some(host) => Subject::global("name", &host),
                None => continue,
            },
        };
        let secret = secret(model, &asked);
        let subject = secret.as_ref().map_or_else(|| behind(model, &asked), |(secret, _)| secret.clone());
        let (evidence, effects) = servers.entry(subject).or_default();
        evidence.push(probe.cite(index));
        evidence.extend(secret.map(|(_, cited)| cited));
        effects.insert((asked, Mode::Errors));
    }
}

/// The secret of the certificate that an Ingress serves a name with, and where it says so.
fn secret(model: &Model<'_>, name: &Subject) -> Option<(Subject, Citation)> {
    let covers = |host: &str| {
        let wild =
            host.strip_prefix("*.").is_some_and(|zone| name.name.split_once('.').is_some_and(|(_, rest)| rest == zone));
        host == name.name || wild
    };
    model.evidence.objects.of_kind("ingress").find_map(|ingress| {
        let at = ingress.list("/spec/tls").iter().position(|tls| {
            tls["hosts"].as_array().into_iter().flatten().any(|host| host.as_str().is_some_and(covers))
        })?;
        let pointer = format!("/spec/tls/{at}/secretName");
        let secret = ingress.text(&pointer)?;
        let cited = ingress.cite(&pointer, format!("{} is served with the certificate in {secret}", name.name));
        Some((Subject::namespaced("secret", ingress.namespace(), secret), cited))
    })
}

/// What a name leads to: a machine or a Service where that is known.
fn behind(model: &Model<'_>, asked: &Subject) -> Subject {
    let to = model.dependencies(asked).iter().find(|edge| edge.relation == Relation::RoutesTo);
    to.map_or_else(|| asked.clone(), |edge| edge.to.clone())
}

fn fix(subject: &Subject) -> Fix {
    Fix { summary: format!("Renew the certificate of {subject}, and let its server read it"), patch: vec![] }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    fn world(line: &str) -> String {
        format!(
            "service a/ledger  selector app=ledger  443 -> 8443
             service a/other  selector app=other  443 -> 8443
             deployment a/web  app=web
             pod a/ledger-1  app=ledger  ready  listens 0.0.0.0:8443
             pod a/other-1  app=other  ready  listens 0.0.0.0:8443
             pod a/web-1  app=web  ready  owner deployment/a/web
             probe service/a/other:443  connected in 1ms
             log a/web-1 {line}
             log a/web-1 {line}\n"
        )
    }

    #[test]
    fn holds_in_the_service_that_clients_turn_back_from() {
        for line in [
            "Get \"https://ledger.a/x\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time",
            "requests.exceptions.SSLError: HTTPSConnectionPool(host='ledger', port=443): certificate verify failed: certificate has expired (_ssl.c:1006)",
            "FetchError: request to https://ledger.a/x failed, reason: certificate has expired code: 'CERT_HAS_EXPIRED'",
            "javax.net.ssl.SSLHandshakeException: ledger.a: PKIX path validation failed: java.security.cert.CertificateExpiredException: NotAfter: Thu Jan 01",
            "error sending request for url (https://ledger.a/x): invalid peer certificate: Expired",
        ] {
            check(&format!("{}=> certificate-expired service/a/ledger", world(line)));
        }
    }

    #[test]
    fn holds_in_the_secret_of_an_ingress() {
        let ingress = "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             ingress a/s  s.example.test -> s
             set ingress/a/s spec.tls=[{\"hosts\":[\"s.example.test\"],\"secretName\":\"s-tls\"}]
             probe https://s.example.test/  failed in 2ms says certificate has expired";
        check(&format!("{ingress}\n=> certificate-expired secret/a/s-tls"));
        check(&format!("{}\n=> unknown", ingress.replace("certificate has expired", "bad record mac")));
    }

    #[test]
    fn holds_in_the_service_of_a_webhook() {
        let says = "Internal error occurred: failed calling webhook \"w.tools.test\": failed to call webhook: Post \"https://policy.tools.svc:443/v?timeout=10s\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid";
        check(&format!(
            "deployment a/s  app=s
             object ServiceAccount a/default
             object ReplicaSet a/s-1  spec.replicas=1  metadata.ownerReferences[0].kind=Deployment  metadata.ownerReferences[0].name=s
             event replicaset/a/s-1  FailedCreate  Error creating: {says}
             => certificate-expired service/tools/policy"
        ));
    }

    #[test]
    fn twins_another_word_of_tls_and_one_that_is_over() {
        check(&format!("{}=> healthy", world("http: TLS handshake error from 10.0.0.9:443: EOF")));
        let once = world("x509: certificate has expired or is not yet valid: https://ledger.a/x");
        let fine: String = (0..200).map(|n| format!("log a/web-1 fine {n}\n")).collect();
        check(&format!("{once}{fine}probe service/a/ledger:443  connected in 1ms\n=> healthy"));
    }
}
