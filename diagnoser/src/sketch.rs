//! The fixture language of the causes' tests: a situation as an engineer would sketch it, with the expected answer inside.
//!
//! One line a thing, words separated by blanks:
//! ```text
//! service shop/web     selector app=web     80 -> 8080
//! deployment shop/web  app=web  limit 512Mi
//! pod shop/web-1       app=web  ready|unready|creating  [since TIME] [declares 80] [checked 80] [listens 0.0.0.0:80]
//!                      [calls api.shop:80] [limit 64Mi] [mounts /srv/data] [owner deployment/shop/web] [on n1]
//! ingress shop/web     shop.example.test -> web
//! policy shop/base     selects app=web  denies ingress   |   allows ingress from NAMESPACE app=x
//! event pod/shop/web-1 REASON message ...
//! log shop/web-1       a line of its log
//! inodes n1            /srv/data 0 of 2000 free            (space n1 ... the same for blocks)
//! conntrack n1         900 of 262144  drop 3 -> 3
//! probe [pod/a/b ->] service/shop/web:80  refused in 1ms    (or a URL; or a status for an outcome)
//! request hop=client method=GET path=/ status=502 seconds=0.003 upstream=shop.example.test:80 pod=clients/c-1 id=r1 at=-20 x10
//!                      (a record of traffic, here ten of them, 0.2 s apart, the last 20 s before the evidence was taken)
//! object ConfigMap shop/settings  data.mode=fast           (any kind; `object Node n2` without a namespace)
//! set deployment/shop/web  spec.replicas=0 spec.template.spec.containers[0].image=x:2   (fields of an object above;
//!                      `~` in a key stands for a dot, a value with blanks stands in quotes, one in JSON is taken as that)
//! earlier deployment/shop/web 1  spec.containers[0].image=x:1    (the template of revision 1: that of the workload above with these
//!                      fields; `null` is none. Of a StatefulSet or DaemonSet a ControllerRevision)
//! table services/db/settings.txt | name setting | port 5432  (as psql prints it; `~` for a blank in a value, alone for none)
//! file hosts/n1/ip-route.txt | a line | >another           (any file; `>` for blanks at the beginning of a line)
//! machine client 10.80.1.10/24 [10.80.2.1/24 ...] [via 10.80.1.1] [listens 0.0.0.0:80 ...]    (a machine on which all is well:
//!                      interfaces eth0, eth1 ..., routes, no packet filter; each of its files can be replaced or taken away)
//! route client 10.9.0.0/16 via 10.80.1.7 dev eth0          (one route more, or `- ROUTE` one less, as `ip route` prints it)
//! filter router forward tcp dport 80 drop                  (one rule more of a hook, as nft prints it; `policy drop` for the hook's)
//! unit app nginx inactive                                  (what `systemctl status` says of a unit)
//! probe host/client -> tcp://app.example.test:80  timeout in 3s  [at 10.80.2.10:80]  [says words of the error]
//! without hosts/router/nft.txt                             (a file that was not collected after all)
//! missed events forbidden                                  (everything else counts as listed)
//! => CAUSE SUBJECT [CAUSE SUBJECT ...]   |   => unknown [lacks WHAT]   |   => healthy
//! ```

mod sheet;

use std::collections::BTreeMap;

use crate::{
    diagnosis::{Diagnosis, Next, Verdict},
    investigation::Investigation,
};

/// Diagnoses a sketch and compares with the answer it states; panics with the sketch and the diagnosis where they differ.
pub(crate) fn check(text: &str) {
    let (situation, expected) =
        text.split_once("=> ").unwrap_or_else(|| panic!("no `=> answer` in the sketch:\n{text}"));
    let diagnosis = diagnose(evidence(situation));
    let got = answer(&diagnosis);
    let matches = match expected.trim().split_once(" lacks ") {
        Some(("unknown", lack)) => {
            diagnosis.verdict == Verdict::Unknown && diagnosis.missing.iter().any(|missing| missing.what == lack.trim())
        }
        _ => got == expected.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    assert!(
        matches,
        "\n{text}\nexpected {}\n     got {got}\n{}",
        expected.trim(),
        serde_json::to_string_pretty(&diagnosis).unwrap_or_default()
    );
}

/// `unknown`, `healthy`, or the roots as `cause subject ...`.
fn answer(diagnosis: &Diagnosis) -> String {
    match diagnosis.verdict {
        Verdict::Unknown => "unknown".to_owned(),
        Verdict::Healthy => "healthy".to_owned(),
        Verdict::Confirmed => {
            diagnosis.roots().iter().map(|(cause, subject)| format!("{cause} {subject}")).collect::<Vec<_>>().join(" ")
        }
    }
}

/// Runs an investigation to its end; nothing more than the files can be had.
pub(crate) fn diagnose(files: BTreeMap<String, String>) -> Diagnosis {
    let mut investigation = Investigation::new(files).unwrap_or_else(|error| panic!("{error}"));
    loop {
        match investigation.proceed() {
            Next::Done(diagnosis) => return *diagnosis,
            Next::Ask(requests) => {
                requests.iter().for_each(|request| investigation.missed(request, "not in the sketch"))
            }
        }
    }
}

/// The changes that the fix of a sketch's root cause makes, as JSON.
pub(crate) fn patch(text: &str) -> String {
    let diagnosis = diagnose(evidence(text));
    diagnosis.root_causes.first().map_or_else(String::new, |root| {
        serde_json::to_string(&root.fix.patch).unwrap_or_else(|error| error.to_string())
    })
}

pub(crate) use sheet::evidence;

#[test]
fn a_world_without_symptoms_is_healthy() {
    check(
        "service shop/web  selector app=web  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80
         probe service/shop/web:80  connected in 1ms
         => healthy",
    );
}

#[test]
fn nothing_seen_is_not_healthy() {
    check("=> unknown lacks probes.json");
}

#[test]
fn a_failed_probe_of_an_unknown_service_is_not_healthy() {
    check("probe pod/b/c-1 -> service/a/s:80  timeout in 3s\n=> unknown");
}

#[test]
fn a_resource_that_was_asked_for_and_found_empty_counts_as_listed() {
    let files = evidence(
        "service a/s  selector app=s  80 -> 80
         pod a/s-1  app=s  ready  listens 0.0.0.0:80
         conntrack n1  9 of 1000  drop 0 -> 0
         probe service/a/s:80  timeout in 3s
         missed networkpolicies forbidden",
    );
    let mut investigation = Investigation::new(files).unwrap_or_else(|error| panic!("{error}"));
    let mut asked = Vec::new();
    let diagnosis = loop {
        match investigation.proceed() {
            Next::Done(diagnosis) => break diagnosis,
            Next::Ask(requests) => {
                for request in requests {
                    asked.push(request.how.clone());
                    investigation.answer(&request, BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"));
                }
            }
        }
    };
    assert_eq!(asked, ["kubectl get networkpolicies -n a -o json"]);
    assert!(diagnosis.missing.is_empty(), "{:?}", diagnosis.missing);
}
