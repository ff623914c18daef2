//! The API server forbids a program to read what it works by: the role of its ServiceAccount lacks the rule.
//!
//! # What it looks like
//! The program runs, is ready, and behaves as if there were nothing to do. An ingress controller that may not read Ingresses
//! (or Services, EndpointSlices) answers 404 to every name, although the Ingress objects are right.
//!
//! # Confirm by hand
//! Its log has `... is forbidden: User "system:serviceaccount:NS:NAME" cannot list resource ...`;
//! `kubectl auth can-i list ingresses.networking.k8s.io --as=system:serviceaccount:NS:NAME` answers `no`.
//!
//! # Fix
//! Add the missing rule to the Role or ClusterRole that is bound to the ServiceAccount; no more than what is asked for.
//!
//! # Who acts
//! Whoever grants rights in the cluster; hand over the line of the log: who, which verb, which resource, where.
//!
//! # Source
//! kubernetes.io, Using RBAC Authorization; apiserver/pkg/endpoints/handlers/responsewriters/errors.go (the message).

use std::collections::BTreeSet;

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding, Lack, Proof, State,
    own_config::restart,
    route_fault::follows_a_rule,
    served::{Word, word},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Fact, Object},
    model::{Model, is_down},
    propagation::Mode,
    subject::Subject,
    symptoms::{Observation, Symptom},
};

/// See the module's comment.
pub struct RbacForbidden;

impl Cause for RbacForbidden {
    fn id(&self) -> &'static str {
        "rbac-forbidden"
    }

    fn source(&self) -> &'static str {
        include_str!("rbac_forbidden.rs")
    }

    fn owner(&self) -> &'static str {
        "cluster administrator"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let found: Vec<Finding> = case.symptoms.iter().filter_map(|symptom| examine(case.model, symptom)).collect();
        if found.is_empty() { of_pods(case.model) } else { found }
    }
}

/// Pods whose log tells that the API server forbids their own account something, by workload.
fn of_pods(model: &Model<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for pod in model.evidence.objects.of_kind("pod") {
        let own = |line: &str| {
            let account = pod.text("/spec/serviceAccountName").unwrap_or("default");
            refusal(line).filter(|refusal| refusal.account == account && refusal.namespace == pod.namespace())
        };
        let logs = model.evidence.logs.of(pod.subject()).iter();
        let mut told = logs.filter_map(|log| {
            let line =
                log.text.lines().rev().take(LINES).filter(|line| line.contains("is forbidden: User ")).find_map(own)?;
            Some((line, log.last_line_within(LINES, |line| own(line).is_some())?))
        });
        let Some((refused, said)) = told.next_back() else { continue };
        let roles = bound(model, &refused);
        let workload = model.workload_of(pod.subject());
        let says = format!("{} may not {} {}", refused.account, refused.verb, refused.resource);
        let (subject, state) = if let Some(role) = roles.iter().find(|role| grants(role, &refused)) {
            let may =
                role.cite("/rules", format!("{} may {} {} by now", refused.account, refused.verb, refused.resource));
            (workload, State::excluded("a role allows it by now", vec![said, may]))
        } else if let Some(role) = roles.iter().max_by_key(|role| likeness(role, &[&refused])) {
            let lacks = role.cite("/rules", format!("{} has no rule for {}", role.subject(), what(&[&refused])));
            let summary = format!("Let {} allow {} to {}", role.subject(), refused.account, what(&[&refused]));
            let fix = Fix { summary, patch: granted(role, &[&refused]) };
            (role.subject().clone(), State::holds(vec![said, lacks], fix))
        } else {
            let account = pod.cite("/spec/serviceAccountName", says);
            let summary = format!("Bind a role to the account of {workload} that allows it to {}", what(&[&refused]));
            (workload, State::holds(vec![said, account], Fix { summary, patch: vec![] }))
        };
        let down = is_down(pod).then_some(Mode::Down);
        let effects = [Mode::Errors].into_iter().chain(down).map(|mode| (pod.subject().clone(), mode)).collect();
        found.push(Finding { subject, effects, state });
    }
    found
}

/// How many of the last lines of a log are looked at.
const LINES: usize = 200;

/// One refusal, in the API server's words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Refusal {
    namespace: String,
    account: String,
    verb: String,
    resource: String,
    group: String,
    /// The namespace it was asked for; `None` for the whole cluster.
    within: Option<String>,
}

/// An ingress controller that answers by itself although a rule fits.
fn examine(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    let asked = symptom.asked()?;
    if !matches!(symptom.seen, Observation::Status(404, _)) {
        return None;
    }
    let effects = vec![(asked.subject(), Mode::NotFound)];
    let finding = |subject: Subject, state| Some(Finding { subject, effects, state });
    let Word::Controller(cited, pods) = word(model, symptom) else { return None };
    let Some(rule) = follows_a_rule(model, &asked) else {
        return finding(asked.name(), State::excluded("no Ingress has a rule for it anyway", vec![cited]));
    };
    let logs: Vec<_> = pods.iter().flat_map(|pod| model.evidence.logs.of(pod)).collect();
    if logs.is_empty() {
        let lacks = pods.iter().map(|pod| Lack::log(pod, None, "not collected"));
        return finding(asked.name(), State::Undecided(lacks.collect()));
    }
    let refusals: BTreeSet<Refusal> = logs.iter().flat_map(|log| log.text.lines()).filter_map(refusal).collect();
    let Some(first) = refusals.first().cloned() else {
        return finding(asked.name(), State::excluded("the controller's log has no refusal", vec![cited]));
    };
    let said = logs.iter().find_map(|log| log.last_line(|line| refusal(line).is_some()));
    let mut evidence = vec![cited, rule];
    evidence.extend(said);
    let roles = bound(model, &first);
    if let Some(denied) = refusals.iter().find(|refusal| roles.iter().any(|role| grants(role, refusal))) {
        // It was refused once and may now.
        let now = refusals.iter().all(|refusal| roles.iter().any(|role| grants(role, refusal)));
        if now {
            let says = format!("{} may {} {} by now", denied.account, denied.verb, denied.resource);
            return finding(asked.name(), State::excluded(says, evidence));
        }
    }
    let open: Vec<&Refusal> = refusals.iter().filter(|r| !roles.iter().any(|role| grants(role, r))).collect();
    let Some(role) = roles.iter().max_by_key(|role| likeness(role, &open)) else {
        let lacks = ["clusterroles", "clusterrolebindings"].map(|resource| {
            let why = match model.evidence.listed(resource.trim_end_matches('s'), resource) {
                Fact::Missed(why) => why,
                Fact::Seen(()) => format!("none there is bound to {}/{}", first.namespace, first.account),
            };
            Lack::objects(resource, None, why)
        });
        return finding(asked.name(), State::Undecided(lacks.to_vec()));
    };
    evidence.push(role.cite("/rules", format!("{} has no rule for {}", role.subject(), what(&open))));
    let summary = format!("Let {} allow {} to {}", role.subject(), first.account, what(&open));
    let patch = granted(role, &open).into_iter().chain(restart(model, &pods)).collect();
    let proof = Proof { evidence, fix: Fix { summary, patch }, wants: vec![], changed: None };
    finding(role.subject().clone(), State::Holds(Box::new(proof)))
}

/// `... is forbidden: User "system:serviceaccount:NS:NAME" cannot list resource "ingresses" in API group "networking.k8s.io"
/// at the cluster scope`, the quotes perhaps escaped.
fn refusal(line: &str) -> Option<Refusal> {
    let (_, rest) = line.split_once("is forbidden: User ")?;
    let plain = rest.replace('\\', "");
    let mut quoted = plain.split('"').skip(1).step_by(2);
    let user = quoted.next()?;
    let (namespace, account) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let resource = quoted.next()?;
    let group = quoted.next()?;
    let verb = plain.split_once("cannot ")?.1.split_whitespace().next()?;
    let within = plain.split_once("in the namespace \"").and_then(|(_, rest)| rest.split('"').next());
    Some(Refusal {
        namespace: namespace.to_owned(),
        account: account.to_owned(),
        verb: verb.to_owned(),
        resource: resource.to_owned(),
        group: group.to_owned(),
        within: within.map(str::to_owned),
    })
}

/// The roles that are bound to the account where it asked.
fn bound<'e>(model: &Model<'e>, refusal: &Refusal) -> Vec<&'e Object> {
    let objects = &model.evidence.objects;
    let here = |binding: &&Object| {
        binding.list("/subjects").iter().any(|subject| {
            subject["kind"] == "ServiceAccount"
                && subject["name"] == refusal.account.as_str()
                && subject["namespace"].as_str().unwrap_or(binding.namespace()) == refusal.namespace
        })
    };
    let of_cluster = objects.of_kind("clusterrolebinding");
    let of_namespace =
        objects.of_kind("rolebinding").filter(|binding| refusal.within.as_deref() == Some(binding.namespace()));
    let roles = of_cluster.chain(of_namespace).filter(here).filter_map(|binding| {
        let name = binding.text("/roleRef/name")?;
        let role = match binding.text("/roleRef/kind")? {
            "Role" => Subject::namespaced("role", binding.namespace(), name),
            kind => Subject::global(kind, name),
        };
        model.object(&role)
    });
    roles.collect()
}

fn names(rule: &Value, key: &str, name: &str) -> bool {
    rule[key].as_array().into_iter().flatten().any(|one| one == name || one == "*")
}

/// Whether a role allows what was refused.
fn grants(role: &Object, refusal: &Refusal) -> bool {
    role.list("/rules").iter().any(|rule| {
        rule["resourceNames"].as_array().is_none_or(<[Value]>::is_empty)
            && names(rule, "apiGroups", &refusal.group)
            && names(rule, "resources", &refusal.resource)
            && names(rule, "verbs", &refusal.verb)
    })
}

/// How near a role is to granting it: it has rules for the same group.
fn likeness(role: &Object, open: &[&Refusal]) -> usize {
    let group = |rule: &&Value| open.iter().any(|refusal| names(rule, "apiGroups", &refusal.group));
    role.list("/rules").iter().filter(group).count()
}

/// The rules with what was refused. Who watches lists first.
fn granted(role: &Object, open: &[&Refusal]) -> Vec<Change> {
    let from = role.get("/rules").cloned().unwrap_or_else(|| json!([]));
    let mut to = from.as_array().unwrap_or_default().to_vec();
    let wanted: BTreeSet<(&str, &str, bool)> = open
        .iter()
        .map(|refusal| (&*refusal.group, &*refusal.resource, matches!(&*refusal.verb, "get" | "list" | "watch")))
        .collect();
    for (group, resource, reads) in wanted {
        let verbs: BTreeSet<&str> = if reads {
            BTreeSet::from(["get", "list", "watch"])
        } else {
            open.iter().filter(|r| r.resource == resource).map(|r| &*r.verb).collect()
        };
        to.push(json!({"apiGroups": [group], "resources": [resource], "verbs": verbs}));
    }
    vec![Change::Set { object: role.subject().clone(), path: "/rules".to_owned(), from, to: to.into() }]
}

fn what(open: &[&Refusal]) -> String {
    let each: BTreeSet<String> = open.iter().map(|refusal| format!("{} {}", refusal.verb, refusal.resource)).collect();
    each.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service shop/web  selector app=web  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80
         deployment in/ctl  app=ctl
         pod in/ctl-1  app=ctl  ready  owner deployment/in/ctl
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         object ClusterRoleBinding b  roleRef.kind=ClusterRole roleRef.name=r subjects[0].kind=ServiceAccount subjects[0].name=ctl subjects[0].namespace=in
         request hop=web method=GET path=/ status=200 pod=shop/web-1 id=old at=-60
         request hop=client method=GET path=/ status=404 upstream=shop.test:80 pod=c/c-1 id=r x6
         request hop=ingress method=GET path=/ status=404 pod=in/ctl-1 id=r x6";
    const REFUSED: &str = "log in/ctl-1 failed to list *v1.Ingress: ingresses.networking.k8s.io is forbidden: User \"system:serviceaccount:in:ctl\" cannot list resource \"ingresses\" in API group \"networking.k8s.io\" at the cluster scope";

    fn role(resources: &str) -> String {
        format!(
            "object ClusterRole r  rules[0].apiGroups[0]=networking.k8s.io rules[0].resources[0]={resources} rules[0].verbs[0]=list"
        )
    }

    #[test]
    fn holds_in_an_application_of_which_only_the_log_tells() {
        let world = "deployment a/job  app=job
             pod a/job-1  app=job  ready  owner deployment/a/job
             set pod/a/job-1  spec.serviceAccountName=job
             log a/job-1  pods is forbidden: User \"system:serviceaccount:a:job\" cannot list resource \"pods\" in API group \"\" in the namespace \"a\"
             probe service/a/job:80  connected in 1ms";
        check(&format!("{world}\n=> rbac-forbidden deployment/a/job"));
        let role = "object Role a/reader  rules=[{\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],\"verbs\":[\"list\"]}]
             object RoleBinding a/reader  roleRef.kind=Role  roleRef.name=reader  subjects[0].kind=ServiceAccount  subjects[0].name=job";
        check(&format!("{world}\n{role}\n=> rbac-forbidden role/a/reader"));
        check(&format!("{world}\n{}\n=> unknown", role.replace("secrets", "pods")));
    }

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{REFUSED}\n{}\n=> rbac-forbidden clusterrole/r", role("ingressclasses")));
    }

    #[test]
    fn twin_it_was_refused_once_and_may_now() {
        check(&format!("{WORLD}\n{REFUSED}\n{}\n=> unknown", role("ingresses")));
    }

    #[test]
    fn twin_the_controller_answers_because_no_rule_fits() {
        let elsewhere = WORLD.replace("shop.test -> web", "shpo.test -> web");
        check(&format!(
            "{elsewhere}\n{REFUSED}\n{}\n=> ingress-host-mismatch ingress/shop/web",
            role("ingressclasses")
        ));
    }

    #[test]
    fn unknown_without_the_controllers_log() {
        check(&format!("{WORLD}\n{}\n=> unknown lacks logs/in_ctl-1_*.txt", role("ingressclasses")));
    }

    #[test]
    fn unknown_without_the_role() {
        check(&format!("{WORLD}\n{REFUSED}\n=> unknown lacks clusterroles"));
    }
}
