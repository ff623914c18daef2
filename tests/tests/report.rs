//! The reports as a person sees them, beside what they should be (`INSTA_UPDATE=always cargo test` writes them anew).

use diagnoser::{
    Diagnosis, Subject, Verdict,
    diagnosis::{Candidate, Change, FORMAT, Fix, Hop, Missing, RootCause, RuledOut, Step, SymptomSeen},
    evidence::Citation,
};
use lab::{
    events::{Event, Stamped},
    replay::Files,
    report::{
        Style,
        terminal::{View, render},
    },
    scenario::{Root, Truth},
    score::Outcome,
};
use serde_json::json;

fn subject(text: &str) -> Subject {
    text.parse().expect("a subject")
}

fn hop(name: &str, seen: &[&str], reached: Option<bool>, broken_after: bool) -> Hop {
    let seen = seen.iter().map(|says| (*says).to_owned()).collect();
    Hop { name: name.to_owned(), subjects: vec![], seen, reached, broken_after }
}

fn step(name: &str, answer: &str) -> Step {
    Step { step: name.to_owned(), level: 1, asked: String::new(), answer: answer.to_owned() }
}

/// The port mismatch of the shop, as a diagnosis.
fn port_mismatch() -> Diagnosis {
    Diagnosis {
        format: FORMAT,
        verdict: Verdict::Confirmed,
        root_causes: vec![RootCause {
            cause: "service-port-mismatch".to_owned(),
            subject: subject("service/shop/web"),
            owner: "self".to_owned(),
            evidence: vec![
                Citation::new("objects.json", "/items/0/spec/ports/0/targetPort", "8080"),
                Citation::line("hosts/node-1/ss-shop_web-1.txt", 1, "pod/shop/web-1 listens on 0.0.0.0:80"),
            ],
            explains: vec!["probe-1".to_owned()],
            ruled_out: vec![RuledOut {
                cause: "service-selector-mismatch".to_owned(),
                subject: subject("service/shop/web"),
                because: "it selects both pods".to_owned(),
            }],
            fix: Fix {
                summary: "Point service/shop/web at the port its pods listen on: targetPort 8080 -> 80".to_owned(),
                patch: vec![Change::Set {
                    object: subject("service/shop/web"),
                    path: "/spec/ports/0/targetPort".to_owned(),
                    from: json!(8080).into(),
                    to: json!(80).into(),
                }],
            },
        }],
        noise: vec![],
        candidates: vec![],
        missing: vec![],
        symptoms: vec![SymptomSeen {
            id: "probe-1".to_owned(),
            subject: subject("service/edge/edge"),
            says: "GET http://shop.example.test/: 502 in 3 ms".to_owned(),
            since: Some("2026-11-23T09:14:07.5Z".to_owned()),
            evidence: vec![],
        }],
        path: vec![
            hop("client", &["502"], Some(true), false),
            hop("dns", &["-> edge"], Some(true), false),
            hop("edge", &["502 logged"], Some(true), false),
            hop("ingress", &["502 logged"], Some(true), false),
            hop("service web", &["80 -> 8080"], None, true),
            hop("pod web", &["never saw it", "listens 80"], Some(false), false),
        ],
        steps: vec![
            step("observe", "120 of 120 requests fail with 502; 2 of 2 nodes ready; 6 of 6 pods ready"),
            step("correlate", "service/shop/web changed 1 s before the first failure"),
            step("narrow", "lost between ingress and pod; immediate, so not the network"),
            step("replicate", "refused in under 1 ms from edge, node and a neighbouring pod"),
            step("root-cause", "service-port-mismatch in service/shop/web"),
            step("fix", "targetPort 8080 -> 80"),
        ],
    }
}

fn objects() -> Files {
    let service = json!({"kind": "Service", "metadata": {"namespace": "shop", "name": "web"}});
    Files::from([("objects.json".to_owned(), json!({"items": [service]}).to_string())])
}

fn view<'a>(diagnosis: &'a Diagnosis, evidence: &'a Files, history: &'a [Stamped]) -> View<'a> {
    View {
        notice: "",
        title: "",
        diagnosis,
        evidence,
        origins: None,
        history,
        judged: None,
        narrowed: "",
        seconds: 0.04,
    }
}

#[test]
fn a_confirmed_cause_with_its_verified_fix() {
    let says = "200 in 4 ms, 40 of 40 requests".to_owned();
    let time = "2026-11-23T09:15:00Z".parse().expect("a time");
    let history = [Stamped { time, event: Event::Verified { says } }];
    let truth =
        Truth::Roots(vec![Root { cause: "service-port-mismatch".to_owned(), subject: subject("service/shop/web") }]);
    let (diagnosis, evidence) = (port_mismatch(), objects());
    let view = View {
        notice: "Replaying recordings/port-mismatch: Kubernetes 1.34.10 on kind 0.33, 2026-11-23.\nTo run it here instead: --live.",
        title: "The Service forwards to a port nobody listens on",
        judged: Some((Outcome::Exact, &truth)),
        ..view(&diagnosis, &evidence, &history)
    };
    insta::assert_snapshot!(render(&view, Style::Plain));
}

#[test]
fn an_unknown_says_what_would_decide() {
    let candidate = |cause: &str, at: &str, lacks: &str| Candidate {
        cause: cause.to_owned(),
        subject: subject(at),
        lacks: vec![lacks.to_owned()],
        explains: vec![],
    };
    let missing = |what: &str, why: &str, how: &str| Missing {
        what: what.to_owned(),
        why: why.to_owned(),
        how: how.to_owned(),
        decides: vec![],
    };
    let diagnosis = Diagnosis {
        verdict: Verdict::Unknown,
        root_causes: vec![],
        candidates: vec![
            candidate("network-policy-denies-ingress", "pod/shop/web-1", "networkpolicies of namespace shop"),
            candidate("firewall-drop", "node/worker-1", "hosts/worker-1/nft.txt"),
        ],
        missing: vec![
            missing("networkpolicies of namespace shop", "forbidden", "kubectl get networkpolicies -n shop -o json"),
            missing("hosts/worker-1/nft.txt", "not collected", "nft list ruleset   on worker-1"),
        ],
        ..port_mismatch()
    };
    insta::assert_snapshot!(render(&view(&diagnosis, &Files::new(), &[]), Style::Plain));
}

#[test]
fn evidence_cannot_steer_the_terminal() {
    let mut diagnosis = port_mismatch();
    diagnosis.symptoms[0].says = "\u{1b}[2J\u{7} gone".to_owned();
    diagnosis.root_causes[0].evidence[0].says = "\u{1b}]0;title\u{7}".to_owned();
    diagnosis.path[0].seen = vec!["\u{1b}[31m".to_owned()];
    assert!(!render(&view(&diagnosis, &objects(), &[]), Style::Plain).contains(['\u{1b}', '\u{7}']));
}

#[test]
fn colour_only_adds() {
    let (diagnosis, evidence) = (port_mismatch(), objects());
    let coloured = render(&view(&diagnosis, &evidence, &[]), Style::Colour);
    let mut plain = String::new();
    for (index, part) in coloured.split('\u{1b}').enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').map_or(part, |(_, rest)| rest) });
    }
    assert_eq!(plain, render(&view(&diagnosis, &evidence, &[]), Style::Plain));
}
