//! An Ingress is of a class that does not exist (or of none, where none is the default), so no controller takes it up.
//!
//! # What it looks like
//! Every request for its hosts is answered 404 at once, by the ingress controller itself. The Ingress has the right host,
//! paths and Service; its ADDRESS stays empty.
//!
//! # Confirm by hand
//! `kubectl -n NS get ingress NAME -o jsonpath={.spec.ingressClassName}` names a class that `kubectl get ingressclass` does not
//! list.
//!
//! # Fix
//! Set `spec.ingressClassName` to the class of the controller that should serve it, or create the class.
//!
//! # Who acts
//! The owner of the Ingress; for the class, whoever runs the ingress controllers.
//!
//! # Source
//! kubernetes.io, Concepts / Ingress, "Ingress class" and "Default IngressClass".

use std::collections::BTreeSet;

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding,
    route_fault::{Fault, Held, findings},
    routing::class_name,
};
use crate::{diagnosis::Change, evidence::Object, model::Model, propagation::Mode};

/// See the module's comment.
pub struct IngressClassMissing;

impl Cause for IngressClassMissing {
    fn id(&self) -> &'static str {
        "ingress-class-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("ingress_class_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        findings(case, &[Mode::NotFound], |fault, _| {
            let Fault::Class(rule) = fault else { return None };
            let ingress = rule.ingress.subject().clone();
            let (path, from) = class_name(rule.ingress)
                .map_or(("/spec/ingressClassName", Value::Null), |(path, name)| (path, json!(name)));
            let right = right_class(case.model, rule.ingress);
            let to = right.unwrap_or("a class that exists");
            let set = |to: &str| Change::Set { object: ingress.clone(), path: path.to_owned(), from, to: json!(to) };
            Some(Held {
                summary: format!("Let {ingress} be of {to}"),
                evidence: vec![],
                patch: right.map(set).into_iter().collect(),
                subject: ingress,
            })
        })
    }
}

/// The class it should be of: the only one there is, else the only one that other Ingresses of its namespace, or then any,
/// are of.
fn right_class<'e>(model: &Model<'e>, ingress: &'e Object) -> Option<&'e str> {
    let objects = &model.evidence.objects;
    let all: BTreeSet<&str> = objects.of_kind("ingressclass").map(Object::name).collect();
    let of = |others: &mut dyn Iterator<Item = &'e Object>| -> BTreeSet<&'e str> {
        others.filter_map(class_name).map(|(_, name)| name).filter(|name| all.contains(name)).collect()
    };
    let here = of(&mut objects.in_namespace("ingress", ingress.namespace()));
    let anywhere = of(&mut objects.of_kind("ingress"));
    let only = [all.clone(), here, anywhere].into_iter().find(|set| set.len() == 1)?;
    only.into_iter().next()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service shop/web  selector app=web  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80
         pod in/ctl-1  app=ctl  ready
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         object IngressClass one  spec.controller=x.io/y
         request hop=web method=GET path=/ status=200 pod=shop/web-1 id=old at=-60
         request hop=client method=GET path=/ status=404 upstream=shop.test:80 pod=c/c-1 id=r x6
         request hop=ingress method=GET path=/ status=404 pod=in/ctl-1 id=r x6";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nset ingress/shop/web  spec.ingressClassName=two\n=> ingress-class-missing ingress/shop/web"
        ));
    }

    #[test]
    fn holds_where_none_is_named_and_none_is_the_default() {
        check(&format!("{WORLD}\n=> ingress-class-missing ingress/shop/web"));
    }

    #[test]
    fn twin_a_class_that_is_there() {
        check(&format!("{WORLD}\nset ingress/shop/web  spec.ingressClassName=one\n=> unknown"));
    }

    #[test]
    fn twin_the_application_answers() {
        check(&format!(
            "{}\nset ingress/shop/web  spec.ingressClassName=two\n=> healthy",
            WORLD.replace("pod=in/ctl-1 id=r", "upstream=web.shop:80 upstream_status=404 pod=in/ctl-1 id=r")
        ));
    }

    #[test]
    fn unknown_when_classes_were_not_listed() {
        check(&format!(
            "{WORLD}\nset ingress/shop/web  spec.ingressClassName=two\nmissed ingressclasses forbidden\n=> unknown lacks ingressclasses"
        ));
    }
}
