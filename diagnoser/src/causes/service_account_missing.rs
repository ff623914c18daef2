//! A workload's pods are to run under a ServiceAccount that does not exist, so none can be made.
//!
//! # What it looks like
//! The workload has no pods and nobody is to be seen that fails: the refusal stands at whoever makes them. A Service has no
//! endpoint, which an ingress controller answers with 503 at once. Pods made before the account went keep running.
//!
//! # Confirm by hand
//! `kubectl -n NS describe rs -l app=NAME` says `error looking up service account NS/X: serviceaccount "X" not found`;
//! `kubectl -n NS get serviceaccount X` agrees.
//!
//! # Fix
//! Name an account that exists (`spec.template.spec.serviceAccountName`), or create this one with the roles it needs.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Service Accounts for Pods; kubernetes/plugin/pkg/admission/serviceaccount/admission.go.

use crate::json::{Value, json};

use super::{Case, Cause, Finding, Lack, Proof, State, rollout, stuck::not_listed};
use crate::{
    diagnosis::{Change, Fix},
    evidence::Fact,
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::Lacking,
};

/// See the module's comment.
pub struct ServiceAccountMissing;

impl Cause for ServiceAccountMissing {
    fn id(&self) -> &'static str {
        "service-account-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("service_account_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let Fact::Seen(all) = case.model.lacking() else { return blind(case.model) };
        let findings = all.iter().map(|lacking| Finding {
            subject: lacking.workload.subject().clone(),
            effects: vec![(lacking.workload.subject().clone(), Mode::Down)],
            state: examine(case.model, lacking),
        });
        findings.collect()
    }
}

const FIELD: &str = "/spec/serviceAccountName";

fn examine(model: &Model<'_>, lacking: &Lacking<'_>) -> State {
    let workload = lacking.workload;
    let pointer = format!("/spec/template{FIELD}");
    let name = workload.text(&pointer).unwrap_or("default");
    let account = Subject::namespaced("serviceaccount", workload.namespace(), name);
    if let Some(object) = model.object(&account) {
        return State::excluded(format!("{account} exists"), vec![object.cite("/metadata/name", name)]);
    }
    let refused = |text: &str| text.contains(&format!("serviceaccount \"{name}\" not found"));
    let refusal = lacking.refusal.as_ref().filter(|(text, _)| refused(text)).map(|(_, cited)| cited.clone());
    let mut evidence = vec![workload.cite(&pointer, name), lacking.cited.clone()];
    match (model.evidence.listed("serviceaccount", "serviceaccounts"), refusal) {
        (Fact::Missed(why), None) => {
            return State::Undecided(vec![Lack::objects("serviceaccounts", Some(workload.namespace()), why)]);
        }
        (Fact::Missed(_), Some(refusal)) => evidence.push(refusal),
        (Fact::Seen(()), refusal) => {
            evidence.push(not_listed("serviceaccounts", format!("there is no {account}")));
            evidence.extend(refusal);
        }
    }
    State::Holds(Box::new(Proof {
        evidence,
        fix: fix(model, workload.subject(), &account),
        wants: vec![],
        changed: None,
    }))
}

/// Back to the account before, where there was another; else the account is made.
fn fix(model: &Model<'_>, workload: &Subject, account: &Subject) -> Fix {
    let before = rollout::previous(model, workload).filter(|earlier| earlier.changed().iter().any(|f| f == FIELD));
    let change = match before {
        // Without a name the pods ran under the namespace's default account.
        Some(earlier) => Change::Set {
            object: workload.clone(),
            path: format!("/spec/template{FIELD}"),
            from: json!(account.name),
            to: earlier.get(FIELD).cloned().unwrap_or(Value::from("default")),
        },
        None => Change::Create {
            object: account.clone(),
            manifest: json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": account.name, "namespace": account.namespace()}}),
        },
    };
    Fix {
        summary: format!("Let {workload} run under an account that exists, or create {account}"),
        patch: vec![change],
    }
}

/// Workloads whose account is missing, where it is not known whether they lack pods.
fn blind(model: &Model<'_>) -> Vec<Finding> {
    let objects = &model.evidence.objects;
    let Fact::Seen(()) = model.evidence.listed("serviceaccount", "serviceaccounts") else { return vec![] };
    let workloads = ["daemonset", "deployment", "statefulset"].into_iter().flat_map(|kind| objects.of_kind(kind));
    let missing = workloads.filter(|workload| {
        let name = workload.text(&format!("/spec/template{FIELD}"));
        name.is_some_and(|name| {
            model.object(&Subject::namespaced("serviceaccount", workload.namespace(), name)).is_none()
        })
    });
    let findings = missing.map(|workload| Finding {
        subject: workload.subject().clone(),
        effects: vec![(workload.subject().clone(), Mode::Down)],
        state: State::Undecided(vec![Lack::objects("pods", Some(workload.namespace()), "not collected".to_owned())]),
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             set deployment/a/s  spec.template.spec.serviceAccountName=reader
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\nobject ServiceAccount a/default\n=> service-account-missing deployment/a/s"));
    }

    #[test]
    fn holds_by_the_refusal_where_the_list_is_forbidden() {
        check(&format!(
            "{WORLD}
             missed serviceaccounts forbidden
             object ReplicaSet a/s-1  spec.replicas=1  metadata.ownerReferences[0].kind=Deployment  metadata.ownerReferences[0].name=s
             event replicaset/a/s-1  FailedCreate  Error creating: pods \"s-1-\" is forbidden: error looking up service account a/reader: serviceaccount \"reader\" not found
             => service-account-missing deployment/a/s"
        ));
    }

    #[test]
    fn twin_a_quota() {
        check(&format!(
            "{WORLD}
             object ServiceAccount a/reader
             object ResourceQuota a/most  spec.hard.pods=\"1\"  status.hard.pods=\"1\"  status.used.pods=\"1\"
             => resource-quota-exceeded resourcequota/a/most"
        ));
    }

    #[test]
    fn twin_an_old_refusal_of_a_workload_that_has_its_pods_now() {
        check(&format!(
            "{WORLD}
             pod a/s-1  app=s  unready  owner deployment/a/s
             event deployment/a/s  FailedCreate  error looking up service account a/reader: serviceaccount \"reader\" not found
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_the_accounts_and_without_the_pods() {
        check(&format!("{WORLD}\nmissed serviceaccounts forbidden\n=> unknown lacks serviceaccounts of namespace a"));
        check(&format!(
            "{WORLD}\nobject ServiceAccount a/x\nmissed pods forbidden\n=> unknown lacks pods of namespace a"
        ));
    }
}
