//! A rule in the edge proxy's own configuration refuses a kind of request that was served until then.
//!
//! # What it looks like
//! One kind of request is refused at once (403 or 404), the others are served. The edge logs it and sends it nowhere;
//! nobody behind the edge sees it.
//!
//! # Confirm by hand
//! The edge's access log shows the request with an empty upstream. `kubectl -n NS exec POD -- nginx -T` prints the
//! configuration as it runs: look for a `location`, `if` or `deny` that the path matches before the one that proxies.
//!
//! # Fix
//! Remove the rule, or narrow its pattern so that ordinary paths do not match, and reload the edge.
//!
//! # Who acts
//! Whoever runs the edge; where rules guard against attacks, network security, with the path and the rule.
//!
//! # Source
//! nginx.org, ngx_http_core_module, "location"; ngx_http_rewrite_module, "return".

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, State, nginx,
    own_config::{File, files},
    route_fault::lack_traffic,
    served::{Word, was_served, word},
};
use crate::{
    diagnosis::{Change, Fix},
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::{Asked, Observation, Symptom},
};

/// See the module's comment.
pub struct EdgeRuleBlocksRequest;

impl Cause for EdgeRuleBlocksRequest {
    fn id(&self) -> &'static str {
        "edge-rule-blocks-request"
    }

    fn source(&self) -> &'static str {
        include_str!("edge_rule_blocks_request.rs")
    }

    fn owner(&self) -> &'static str {
        "network security"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        case.symptoms.iter().filter_map(|symptom| examine(case.model, symptom)).collect()
    }
}

fn examine(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    let asked = symptom.asked()?;
    let Observation::Status(status @ 400..499, _) = symptom.seen else { return None };
    let effects = vec![(asked.subject(), Mode::NotFound), (asked.subject(), Mode::Rejects)];
    let finding = |subject: Subject, state| Some(Finding { subject, effects, state });
    let name = asked.name();
    let (cited, pods) = match word(model, symptom) {
        Word::Edge(cited, pods) => (cited, pods),
        Word::Nobody(why) => return finding(name, State::Undecided(vec![lack_traffic(why)])),
        _ => return finding(name, State::excluded("the edge does not answer it by itself", symptom.evidence.clone())),
    };
    let configured = match files(model, &pods) {
        Ok(configured) => configured,
        Err(lacks) => return finding(name, State::Undecided(lacks)),
    };
    for file in configured {
        let directives = nginx::parse(file.text);
        let Some(rule) = nginx::answers(&directives, &asked, status) else { continue };
        // What never was served may be refused on purpose.
        let Some(served) = was_served(model, &asked) else {
            let why = "no earlier request of this kind shows that it was served".to_owned();
            return finding(name, State::Undecided(vec![lack_traffic(why)]));
        };
        let evidence = vec![cited, file.cite(rule.start, format!("{} answers {status}", rule.says())), served];
        let subject = file.map.subject().clone();
        let summary = format!("Take `{}` out of {subject}, or narrow it, and start the edge anew", rule.says());
        let fix = Fix { summary, patch: without(model, file, rule, &asked, status, &pods) };
        return finding(subject, State::holds(evidence, fix));
    }
    finding(name, State::excluded("no rule of the edge's configuration answers it", vec![cited]))
}

/// The file without the rule; nothing where another would answer then, or nobody.
fn without(
    model: &Model<'_>,
    file: File<'_>,
    rule: &nginx::Directive,
    asked: &Asked,
    status: u16,
    pods: &BTreeSet<Subject>,
) -> Vec<Change> {
    let (before, after) = (&file.text[..rule.start], &file.text[rule.end..]);
    let text = format!("{}{}", before.trim_end_matches([' ', '\t']), after.strip_prefix('\n').unwrap_or(after));
    let left = nginx::parse(&text);
    let proxied = !nginx::all(&left, "proxy_pass").is_empty();
    if proxied && nginx::answers(&left, asked, status).is_none() { file.change(model, text, pods) } else { vec![] }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "deployment e/edge  app=edge
         pod e/edge-1  app=edge  ready  owner deployment/e/edge
         set pod/e/edge-1  spec.volumes[0].configMap.name=edge
         pod c/c-1  app=c  ready
         request hop=client method=POST path=/orders status=403 upstream=shop.test:80 pod=c/c-1 id=r x6
         request hop=edge method=POST path=/orders status=403 pod=e/edge-1 id=r x6";

    const EARLIER: &str =
        "request hop=client method=POST path=/orders status=201 upstream=shop.test:80 pod=c/c-1 id=o at=-60 x3";
    const RULE: &str = "object ConfigMap e/edge  data.edge~conf=\"server { location ~ ord { return 403; } location / { proxy_pass http://x; } }\"";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{EARLIER}\n{RULE}\n=> edge-rule-blocks-request configmap/e/edge"));
    }

    #[test]
    fn twin_a_rule_for_another_path() {
        check(&format!("{WORLD}\n{EARLIER}\n{}\n=> unknown", RULE.replace("ord", "admin")));
    }

    #[test]
    fn twin_the_rule_says_something_else() {
        check(&format!("{WORLD}\n{EARLIER}\n{}\n=> unknown", RULE.replace("403", "404")));
    }

    #[test]
    fn twin_the_answer_comes_from_behind() {
        check(&format!(
            "{}\n{EARLIER}\n{RULE}\n=> unknown",
            WORLD.replace("status=403 pod=e/edge-1", "status=403 upstream=10.9.9.9:80 pod=e/edge-1")
        ));
    }

    #[test]
    fn unknown_without_the_configuration() {
        check(&format!("{WORLD}\n{EARLIER}\nmissed configmaps forbidden\n=> unknown lacks configmaps of namespace e"));
    }

    #[test]
    fn unknown_where_the_edges_log_is_missing() {
        check(&format!(
            "{}\n{EARLIER}\n{RULE}\n=> unknown lacks traffic.jsonl",
            WORLD.split("\n         request hop=edge").next().unwrap_or_default()
        ));
    }
}
