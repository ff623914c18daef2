//! A PodDisruptionBudget lets none of its pods be taken away even while all of them are well, so that no node they run on can be
//! drained.
//!
//! # What it looks like
//! A drain, an upgrade of nodes or a scale-down never ends: it tries again and again, and tells that it `Cannot evict pod as it
//! would violate the pod's disruption budget`. The pods themselves serve as ever.
//!
//! # Confirm by hand
//! `kubectl get pdb -A` shows ALLOWED DISRUPTIONS 0 and as many pods wanted as there are (`minAvailable` of all of them, or
//! `maxUnavailable` 0).
//!
//! # Fix
//! Let one be away at a time (`maxUnavailable: 1`), or add a replica; a workload of one replica cannot have both.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Disruptions, and Specifying a Disruption Budget; policy/v1 PodDisruptionBudget; the Eviction API answers 429.

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    attempts,
    diagnosis::Fix,
    evidence::{Citation, Fact, Object},
    model::Model,
    policy::label_selector,
    propagation::Mode,
    subject::Subject,
    symptoms::held_up,
};

/// See the module's comment.
pub struct DisruptionBudgetBlocks;

impl Cause for DisruptionBudgetBlocks {
    fn id(&self) -> &'static str {
        "disruption-budget-blocks"
    }

    fn source(&self) -> &'static str {
        include_str!("disruption_budget_blocks.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let pods = model.evidence.objects.of_kind("pod");
        let told = pods.filter_map(|pod| Some((pod, held_up(model, pod)?)));
        told.flat_map(|(pod, (line, cited))| examine(model, pod, line, &cited)).collect()
    }
}

/// The budgets of the pods that a line names, which `teller` cannot take away.
fn examine(model: &Model<'_>, teller: &Object, line: &str, cited: &Citation) -> Vec<Finding> {
    let finding =
        |subject: Subject, state| Finding { subject, effects: vec![(teller.subject().clone(), Mode::Errors)], state };
    if let Fact::Missed(why) = model.evidence.listed("poddisruptionbudget", "poddisruptionbudgets") {
        let lack = Lack::objects("poddisruptionbudgets", None, why);
        return vec![finding(teller.subject().clone(), State::Undecided(vec![lack]))];
    }
    let words: Vec<&str> = attempts::addresses(line).collect();
    let pods = model.evidence.objects.of_kind("pod").filter(|pod| words.contains(&pod.name()));
    let budgets = pods.flat_map(|pod| {
        let budgets = model.evidence.objects.in_namespace("poddisruptionbudget", pod.namespace());
        budgets.filter(|budget| {
            budget.get("/spec/selector").is_some_and(|selector| label_selector(selector, &pod.labels()))
        })
    });
    budgets.map(|budget| finding(budget.subject().clone(), state(budget, cited))).collect()
}

fn state(budget: &Object, cited: &Citation) -> State {
    let status = |key: &str| budget.number(&format!("/status/{key}"));
    let (healthy, expected) = (status("currentHealthy"), status("expectedPods"));
    if let Some((healthy, expected)) = healthy.zip(expected).filter(|(healthy, expected)| healthy < expected) {
        let says = format!("{healthy} of {expected} pods are well");
        return State::excluded("its pods are not all well", vec![budget.cite("/status/currentHealthy", says)]);
    }
    if status("disruptionsAllowed").is_some_and(|allowed| allowed > 0) {
        return State::excluded("it lets pods go", vec![budget.cite("/status/disruptionsAllowed", "not 0")]);
    }
    let limit = ["maxUnavailable", "minAvailable"].into_iter().find_map(|key| {
        let pointer = format!("/spec/{key}");
        let value = budget.get(&pointer)?;
        Some(budget.cite(&pointer, format!("{key} {value}, of {} pods", expected.unwrap_or_default())))
    });
    let allowed = budget.cite("/status/disruptionsAllowed", "it lets none go");
    let summary =
        format!("Let {} be broken for one pod at a time (maxUnavailable: 1), or add a replica", budget.subject());
    let evidence = [cited.clone(), allowed].into_iter().chain(limit).collect();
    State::holds(evidence, Fix { summary, patch: vec![] })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    fn world(budget: &str) -> String {
        let line = "log ops/drainer-1  error when evicting pods/\"s-1\" -n \"a\" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.";
        format!(
            "deployment a/s  app=s
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod ops/drainer-1  app=drainer  ready
             {line}
             {line}
             probe service/a/s:80  connected in 1ms
             object PodDisruptionBudget a/s  spec.selector.matchLabels.app=s  {budget}\n"
        )
    }
    const ALL: &str =
        "spec.minAvailable=1  status.disruptionsAllowed=0  status.currentHealthy=1  status.expectedPods=1";

    #[test]
    fn holds_where_it_lets_none_of_the_healthy_go() {
        check(&format!("{}=> disruption-budget-blocks poddisruptionbudget/a/s", world(ALL)));
    }

    #[test]
    fn twins_its_pods_are_not_well_and_nobody_wants_them_to_go() {
        check(&format!("{}=> unknown", world(&ALL.replace("currentHealthy=1", "currentHealthy=0"))));
        let quiet: Vec<String> = world(ALL).lines().filter(|line| !line.contains("log ")).map(str::to_owned).collect();
        check(&format!("{}\n=> healthy", quiet.join("\n")));
    }

    #[test]
    fn unknown_without_the_budgets() {
        let without: Vec<String> =
            world(ALL).lines().filter(|line| !line.contains("object ")).map(str::to_owned).collect();
        check(&format!(
            "{}\nmissed poddisruptionbudgets forbidden\n=> unknown lacks poddisruptionbudgets",
            without.join("\n")
        ));
    }
}
