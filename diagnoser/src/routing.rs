//! Which rule of which Ingress a request goes to.
//!
//! Source: k8s.io/api/networking/v1 types.go, IngressRule and HTTPIngressPath: of the rules that fit, the one with the most
//! telling host wins, then the longest path, then Exact over Prefix.

use std::collections::BTreeSet;

use crate::json::Value;

use crate::{
    evidence::{Fact, Object, Objects},
    model::Model,
    subject::Subject,
    symptoms::Asked,
};

/// One path of one rule, or a default backend.
#[derive(Clone, Debug)]
pub(crate) struct Rule<'e> {
    /// The Ingress it stands in.
    pub ingress: &'e Object,
    /// JSON pointer to the entry of its rule; `None` for a default backend.
    rule: Option<usize>,
    /// JSON pointer to what holds `path` and `backend`.
    pub pointer: String,
    /// The host it is for; `None` for every host.
    pub host: Option<&'e str>,
    /// The path it is for; `None` for every path.
    pub path: Option<&'e str>,
    kind: &'e str,
    backend: &'e Value,
}

/// Whether a controller takes an Ingress up, as far as its class tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Its class exists, or there are no classes.
    Known,
    /// It names a class that does not exist.
    Unknown,
    /// It names none, there are some, and none is the default.
    Unnamed,
}

impl<'e> Rule<'e> {
    /// The Service it leads to.
    pub fn service(&self) -> Option<Subject> {
        let name = self.backend["service"]["name"].as_str()?;
        Some(Subject::namespaced("service", self.ingress.namespace(), name))
    }

    /// The port of that Service, by number or name.
    pub fn port(&self) -> &'e Value {
        let port = &self.backend["service"]["port"];
        if port["number"].is_null() { &port["name"] } else { &port["number"] }
    }

    /// JSON pointer to the backend.
    pub fn backend_pointer(&self) -> String {
        if self.rule.is_some() { format!("{}/backend", self.pointer) } else { self.pointer.clone() }
    }

    /// JSON pointer to the rule with the host.
    pub fn rule_pointer(&self) -> Option<String> {
        Some(format!("/spec/rules/{}", self.rule?))
    }

    /// Whether only the very path fits.
    pub fn is_exact(&self) -> bool {
        self.kind == "Exact"
    }

    /// Whether requests for this host are its business.
    pub fn covers(&self, host: &str) -> bool {
        let Some(own) = self.host else { return true };
        match own.strip_prefix('*') {
            // A wildcard stands for one label.
            Some(rest) => host
                .strip_suffix(&rest.to_ascii_lowercase())
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
            None => own.eq_ignore_ascii_case(host),
        }
    }

    /// Whether this path fits.
    pub fn takes(&self, path: &str) -> bool {
        let Some(own) = self.path else { return true };
        match self.kind {
            "Exact" => own == path,
            "Prefix" => {
                let own = own.trim_end_matches('/');
                path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            // What the controller makes of it: a prefix, or an expression.
            _ => path.starts_with(own) || expression(own).is_some_and(|expression| expression.is_match(path)),
        }
    }

    /// How telling it is among those that fit.
    fn rank(&self) -> (u8, usize, bool) {
        let host = self.host.map_or(0, |host| if host.starts_with('*') { 1 } else { 2 });
        (host, self.path.map_or(0, str::len), self.is_exact())
    }

    /// `shop.example.test/orders`.
    pub fn says(&self) -> String {
        format!("{}{}", self.host.unwrap_or("*"), self.path.unwrap_or("/"))
    }
}

/// A path that is written as an expression: `/orders/(.*)`.
fn expression(path: &str) -> Option<regex::Regex> {
    let written_so = path.contains(['(', '[', '*', '\\', '^', '$', '|']);
    regex::Regex::new(&format!("^(?i:{})", path.trim_start_matches('^'))).ok().filter(|_| written_so)
}

/// Every rule of every Ingress; the model has them.
pub(crate) fn rules(objects: &Objects) -> Vec<Rule<'_>> {
    let mut all = Vec::new();
    for ingress in objects.of_kind("ingress") {
        if let Some(backend) = ingress.get("/spec/defaultBackend") {
            let pointer = "/spec/defaultBackend".to_owned();
            all.push(Rule { ingress, rule: None, pointer, host: None, path: None, kind: "Prefix", backend });
        }
        for (r, rule) in ingress.list("/spec/rules").iter().enumerate() {
            for (p, path) in rule["http"]["paths"].as_array().into_iter().flatten().enumerate() {
                all.push(Rule {
                    ingress,
                    rule: Some(r),
                    pointer: format!("/spec/rules/{r}/http/paths/{p}"),
                    host: rule["host"].as_str().filter(|host| !host.is_empty()),
                    path: path["path"].as_str().filter(|path| !path.is_empty()),
                    kind: path["pathType"].as_str().unwrap_or("ImplementationSpecific"),
                    backend: &path["backend"],
                });
            }
        }
    }
    all
}

/// The rules that a request fits, the one it goes to first.
pub(crate) fn fitting<'r, 'e>(rules: &'r [Rule<'e>], asked: &Asked) -> Vec<&'r Rule<'e>> {
    let mut fit: Vec<&Rule<'e>> = rules.iter().filter(|r| r.covers(&asked.host) && r.takes(&asked.path)).collect();
    fit.sort_by_key(|rule| std::cmp::Reverse(rule.rank()));
    fit
}

/// The Ingresses that a request passes by, because it fits a rule of another and none of theirs. Where it fits no rule at all
/// any of them may be the one that was meant, so none is passed by.
pub(crate) struct PassedBy<'e> {
    fit: BTreeSet<&'e Subject>,
    any: bool,
}

impl<'e> PassedBy<'e> {
    pub fn of(model: &Model<'e>, asked: Option<&Asked>) -> Self {
        let rules = &model.rules;
        let fit = asked.map(|asked| fitting(rules, asked)).into_iter().flatten();
        let fit: BTreeSet<&Subject> = fit.map(|rule| rule.ingress.subject()).collect();
        let any = !fit.is_empty() && rules.iter().any(|rule| !fit.contains(rule.ingress.subject()));
        Self { fit, any }
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.any
    }

    /// Whether this is one.
    pub fn has(&self, subject: &Subject) -> bool {
        self.any && subject.is("ingress") && !self.fit.contains(subject)
    }
}

/// The name of an Ingress's class, and where it stands.
pub(crate) fn class_name(ingress: &Object) -> Option<(&'static str, &str)> {
    const ANNOTATION: &str = "/metadata/annotations/kubernetes.io~1ingress.class";
    const FIELD: &str = "/spec/ingressClassName";
    [FIELD, ANNOTATION].into_iter().find_map(|pointer| Some((pointer, ingress.text(pointer)?)))
}

/// Whether a controller would take this Ingress up.
pub(crate) fn class(model: &Model<'_>, ingress: &Object) -> Fact<Class> {
    const DEFAULT: &str = "/metadata/annotations/ingressclass.kubernetes.io~1is-default-class";
    let objects = &model.evidence.objects;
    let name = class_name(ingress).map(|(_, name)| name);
    if name.is_some_and(|name| objects.get(&Subject::global("ingressclass", name)).is_some()) {
        return Fact::Seen(Class::Known);
    }
    if let Fact::Missed(why) = model.evidence.listed("ingressclass", "ingressclasses") {
        return Fact::Missed(why);
    }
    let mut classes = objects.of_kind("ingressclass");
    Fact::Seen(match name {
        Some(_) => Class::Unknown,
        None if classes.any(|class| class.text(DEFAULT) == Some("true")) => Class::Known,
        None if objects.of_kind("ingressclass").next().is_none() => Class::Known,
        None => Class::Unnamed,
    })
}

/// How far apart two written names are, where one can be a slip of the other: `None` where they are too different. Letters
/// left out, added, changed or exchanged count one each; a short name has little room for slips.
pub(crate) fn slip(written: &str, meant: &str) -> Option<usize> {
    let (a, b) = (written.to_ascii_lowercase(), meant.to_ascii_lowercase());
    let (a, b) = (a.trim_end_matches('/'), b.trim_end_matches('/'));
    let length = a.chars().count().max(b.chars().count());
    let distance = strsim::osa_distance(a, b);
    (written != meant && distance * 3 < length.max(1) && distance <= 1 + length / 6).then_some(distance)
}

/// The path that a rule would have to be written for to take this request, where its own can be a slip of it.
pub(crate) fn slip_of_path(rule: &Rule<'_>, asked: &str) -> Option<(usize, String)> {
    let own = rule.path?;
    if rule.is_exact() {
        return Some((slip(own, asked)?, asked.to_owned()));
    }
    // A prefix is compared with as much of the path as it has parts.
    let parts = own.trim_end_matches('/').matches('/').count();
    let head: String = asked.split('/').take(parts + 1).collect::<Vec<_>>().join("/");
    Some((slip(own, &head)?, head))
}

#[cfg(test)]
mod tests {
    use super::slip;

    #[test]
    fn slips_are_small() {
        assert_eq!(slip("/oders", "/orders"), Some(1));
        assert_eq!(slip("/hlep", "/help"), Some(1));
        assert_eq!(slip("shop-2.exemple.test", "shop.example.test"), Some(3));
        assert_eq!(slip("/v1", "/v2"), None);
        assert_eq!(slip("/stock", "/orders"), None);
        assert_eq!(slip("/orders", "/orders"), None);
        assert_eq!(slip("/Orders/", "/orders"), Some(0));
    }
}
