//! Why a request by name is answered that there is no such thing: who said so, which rule it fits, and who served it before.
//!
//! One decision for the whole family, so that no two of its causes can hold for one request. The files of the causes say
//! what each outcome means and how it is mended.

use std::collections::BTreeSet;

use super::{
    Case, Finding, Lack, State,
    routing::{self, Class, Rule, fitting},
    served::{Served, Word, in_use, is_asked_for, served_before, services_of, word},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact},
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::{Asked, Observation, Symptom},
};

/// What is wrong with the way of a request.
#[derive(Clone, Debug)]
pub(super) enum Fault<'e> {
    /// No rule is for its host; this one is for a host that nobody asks for and is meant for it.
    Host(Rule<'e>),
    /// No rule is for its path; this one is for a path that nobody asks for and is meant for it. The path it should have.
    Path(Rule<'e>, String),
    /// No rule is for it at all. Where one belongs, and the Service that served it before.
    Missing(Subject, Served),
    /// The rule names a port that the Service does not have.
    Port(Rule<'e>),
    /// The rule leads to another Service than the one that served it before; or to none that exists.
    Backend(Rule<'e>, Option<Served>),
    /// The rule of a second Ingress takes it from the first, which leads to the Service that served it before.
    Duplicate(Rule<'e>, Rule<'e>),
    /// No controller takes the Ingress up.
    Class(Rule<'e>),
}

/// What the evidence says of one kind of failing request.
pub(super) enum Judged<'e> {
    /// Proven, with the readings.
    Fault(Fault<'e>, Vec<Citation>),
    /// Not decided without these.
    Lacking(Vec<Lack>),
    /// The routing is not at fault, and why.
    Fine(String, Vec<Citation>),
}

/// A cause's proof for one request.
pub(super) struct Held {
    /// Where the fault sits.
    pub subject: Subject,
    /// The readings beside those of the decision.
    pub evidence: Vec<Citation>,
    /// What restores health.
    pub summary: String,
    /// The changes.
    pub patch: Vec<Change>,
}

/// The findings of one cause of the family: `hold` takes the faults that are its own.
pub(super) fn findings<'e>(
    case: &Case<'_, 'e>,
    modes: &[Mode],
    hold: impl Fn(&Fault<'e>, &Asked) -> Option<Held>,
) -> Vec<Finding> {
    let found = case.symptoms.iter().filter_map(|symptom| {
        let asked = symptom.asked()?;
        let effects = modes.iter().map(|mode| (asked.subject(), *mode)).collect();
        let (subject, state) = match judge(case.model, symptom, &asked)? {
            Judged::Fault(fault, mut evidence) => match hold(&fault, &asked) {
                Some(one) => {
                    evidence.extend(one.evidence);
                    let fix = Fix { summary: one.summary, patch: one.patch };
                    (one.subject, State::holds(evidence, fix))
                }
                None => (asked.name(), State::excluded(fault.says(), evidence)),
            },
            Judged::Lacking(lacks) => (asked.name(), State::Undecided(lacks)),
            Judged::Fine(because, evidence) => (asked.name(), State::excluded(because, evidence)),
        };
        Some(Finding { subject, effects, state })
    });
    found.collect()
}

impl Fault<'_> {
    /// In words, for the causes that it rules out.
    fn says(&self) -> String {
        match self {
            Self::Host(rule) => format!("{} has the paths, for the host {}", rule.ingress.subject(), rule.says()),
            Self::Path(rule, _) => format!("{} is for {}", rule.ingress.subject(), rule.says()),
            Self::Missing(_, served) => format!("no rule leads it to {}", served.service),
            Self::Port(rule) => format!("{} names the port {}", rule.ingress.subject(), rule.port()),
            Self::Backend(rule, _) | Self::Duplicate(rule, _) => {
                let to = rule.service().map_or_else(|| "nowhere".to_owned(), |service| service.to_string());
                format!("{} leads it to {to}", rule.ingress.subject())
            }
            Self::Class(rule) => format!("no controller takes {} up", rule.ingress.subject()),
        }
    }
}

/// The rule of an Ingress that a controller should follow for this kind of request, where there is one and its backend exists.
pub(super) fn follows_a_rule(model: &Model<'_>, asked: &Asked) -> Option<Citation> {
    let rule = fitting(&model.rules, asked).into_iter().find(|rule| {
        routing::class(model, rule.ingress) == Fact::Seen(Class::Known) && missing_port(model, rule).is_none()
    })?;
    model.object(&rule.service()?)?;
    Some(rule.ingress.cite(&rule.pointer, format!("is for {}", rule.says())))
}

/// Judges one kind of failing request; `None` where routing could not produce what was seen.
fn judge<'e>(model: &Model<'e>, symptom: &Symptom, asked: &Asked) -> Option<Judged<'e>> {
    let Observation::Status(status, _) = symptom.seen else { return None };
    if !symptom.subject.is("name") || !((400..499).contains(&status) || matches!(status, 502 | 503)) {
        return None;
    }
    if let Fact::Missed(why) = model.evidence.listed("ingress", "ingresses") {
        return Some(Judged::Lacking(vec![Lack::objects("ingresses", None, why)]));
    }
    let way = Way { model, symptom, asked, rules: &model.rules, before: served_before(model, asked) };
    way.judge(status)
}

/// The ports of a rule's Service, where the one that the rule names is not among them.
fn missing_port(model: &Model<'_>, rule: &Rule<'_>) -> Option<String> {
    let object = model.object(&rule.service()?)?;
    let ports = object.list("/spec/ports");
    let has = ports.iter().any(|port| port["port"] == *rule.port() || port["name"] == *rule.port());
    let external = object.text("/spec/type") == Some("ExternalName");
    let known: Vec<String> = ports.iter().map(|port| port["port"].to_string()).collect();
    (!has && !external && !known.is_empty() && !rule.port().is_null()).then(|| known.join(", "))
}

/// One kind of failing request and what is known of its way.
struct Way<'m, 'e> {
    model: &'m Model<'e>,
    symptom: &'m Symptom,
    asked: &'m Asked,
    rules: &'m [Rule<'e>],
    before: Option<Served>,
}

impl<'e> Way<'_, 'e> {
    fn judge(&self, status: u16) -> Option<Judged<'e>> {
        let word = word(self.model, self.symptom);
        let fit = fitting(self.rules, self.asked);
        let class = |rule: &&Rule<'e>| routing::class(self.model, rule.ingress);
        let taken_up = fit.iter().copied().find(|rule| class(rule) == Fact::Seen(Class::Known));
        if let Some(rule) = taken_up
            && !matches!(word, Word::Application(_) | Word::Edge(..) | Word::Elsewhere(_))
            && let Some(judged) = self.backend_exists(rule)
        {
            return Some(judged);
        }
        if matches!(status, 502 | 503) {
            return None;
        }
        match word {
            Word::Application(pods) => Some(self.said_by_application(&pods, &fit)),
            _ if status != 404 => None,
            Word::Nobody(why) => Some(Judged::Lacking(vec![lack_traffic(why)])),
            Word::Edge(cited, _) | Word::Elsewhere(cited) => {
                Some(Judged::Fine("it never came to the ingress controller".to_owned(), vec![cited]))
            }
            Word::Controller(cited, _) => Some(self.said_by_controller(taken_up, &fit, cited)),
        }
    }

    /// Whether the Service and the port that a rule names exist; controllers throw the route away where not.
    fn backend_exists(&self, rule: &Rule<'e>) -> Option<Judged<'e>> {
        let service = rule.service()?;
        let says = format!("for {}: {} port {}", rule.says(), service.name, rule.port());
        let cited = rule.ingress.cite(&rule.backend_pointer(), says);
        let Some(object) = self.model.object(&service) else {
            return Some(match self.model.evidence.listed("service", "services") {
                Fact::Missed(why) => Judged::Lacking(vec![Lack::objects("services", Some(service.namespace()), why)]),
                Fact::Seen(()) => Judged::Fault(Fault::Backend(rule.clone(), self.before.clone()), vec![cited]),
            });
        };
        missing_port(self.model, rule).map(|ports| {
            let evidence = vec![cited, object.cite("/spec/ports", format!("{service} has the ports {ports}"))];
            Judged::Fault(Fault::Port(rule.clone()), evidence)
        })
    }

    /// The controller answered by itself.
    fn said_by_controller(&self, taken_up: Option<&Rule<'e>>, fit: &[&Rule<'e>], cited: Citation) -> Judged<'e> {
        if let Some(rule) = taken_up {
            let says = format!("{} has a rule for it", rule.ingress.subject());
            return Judged::Fine(says, vec![rule.ingress.cite(&rule.pointer, rule.says())]);
        }
        let Some(rule) = fit.first() else { return self.unrouted(vec![cited]) };
        match routing::class(self.model, rule.ingress) {
            Fact::Missed(why) => Judged::Lacking(vec![Lack::objects("ingressclasses", None, why)]),
            Fact::Seen(_) => {
                let mut evidence = vec![cited, rule.ingress.cite(&rule.pointer, format!("is for {}", rule.says()))];
                evidence.push(match routing::class_name(rule.ingress) {
                    Some((pointer, name)) => rule.ingress.cite(pointer, format!("of class {name}, which is not there")),
                    None => rule.ingress.cite("/spec", "names no class, and none is the default"),
                });
                Judged::Fault(Fault::Class((*rule).clone()), evidence)
            }
        }
    }

    /// An application answered. It is at fault itself unless another served the request before.
    fn said_by_application(&self, pods: &BTreeSet<Subject>, fit: &[&Rule<'e>]) -> Judged<'e> {
        let services = services_of(self.model, pods);
        let Some(before) = &self.before else {
            return Judged::Fine("nobody else is known to have served it".to_owned(), self.symptom.evidence.clone());
        };
        if services.contains(&before.service) {
            return Judged::Fine(format!("{} served it before, too", before.service), before.evidence.clone());
        }
        let leads_to = |rule: &&&Rule<'e>, to: &BTreeSet<Subject>| rule.service().is_some_and(|s| to.contains(&s));
        let Some(rule) = fit.iter().find(|rule| leads_to(rule, &services)) else {
            return Judged::Fine("no Ingress leads it there".to_owned(), self.symptom.evidence.clone());
        };
        let to = services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut evidence = vec![rule.ingress.cite(&rule.backend_pointer(), format!("for {}: {to}", rule.says()))];
        evidence.extend(self.symptom.evidence.first().cloned());
        evidence.extend(before.evidence.clone());
        let rightly = BTreeSet::from([before.service.clone()]);
        let other = fit.iter().filter(|other| other.ingress.subject() != rule.ingress.subject());
        if let Some(other) = other.clone().find(|other| leads_to(other, &rightly)) {
            evidence.push(other.ingress.cite(&other.pointer, format!("is for {} as well", other.says())));
            return Judged::Fault(Fault::Duplicate((*rule).clone(), (*other).clone()), evidence);
        }
        // It may have fallen through to a rule that is right for others.
        if in_use(self.model, self.rules, rule, self.asked, self.symptom.since) {
            return self.unrouted(evidence);
        }
        Judged::Fault(Fault::Backend((*rule).clone(), Some(before.clone())), evidence)
    }

    /// No rule is meant for it as they are written: one is a slip, or there is none.
    fn unrouted(&self, mut evidence: Vec<Citation>) -> Judged<'e> {
        let (here, elsewhere): (Vec<&Rule<'e>>, Vec<&Rule<'e>>) =
            self.rules.iter().filter(|rule| rule.host.is_some()).partition(|rule| rule.covers(&self.asked.host));
        // What served it before is where a rule for it must lead.
        let right = |rule: &&Rule<'e>| {
            self.before.as_ref().is_none_or(|before| rule.service().as_ref() == Some(&before.service))
        };
        let mut paths: Vec<(usize, &Rule<'e>, String)> = here
            .iter()
            .copied()
            .filter(|rule| right(rule) && !is_asked_for(self.model, rule))
            .filter_map(|rule| self.meant_path(rule).map(|(distance, path)| (distance, rule, path)))
            .collect();
        paths.sort_by_key(|(distance, _, _)| *distance);
        match &paths[..] {
            [(_, rule, path)] => {
                evidence.push(rule.ingress.cite(&format!("{}/path", rule.pointer), rule.says()));
                return Judged::Fault(Fault::Path((*rule).clone(), path.clone()), evidence);
            }
            [(first, rule, path), (second, ..), ..] if first < second => {
                evidence.push(rule.ingress.cite(&format!("{}/path", rule.pointer), rule.says()));
                return Judged::Fault(Fault::Path((*rule).clone(), path.clone()), evidence);
            }
            [] => {}
            _ => return Judged::Fine("several rules could be meant for it".to_owned(), evidence),
        }
        let hosts: Vec<&Rule<'e>> = elsewhere
            .into_iter()
            .filter(|rule| right(rule) && rule.takes(&self.asked.path) && !is_asked_for(self.model, rule))
            .filter(|rule| self.meant_host(rule))
            .collect();
        let whose: BTreeSet<&Subject> = hosts.iter().map(|rule| rule.ingress.subject()).collect();
        match (hosts.first(), whose.len()) {
            (Some(rule), 1) => {
                let pointer = rule.rule_pointer().unwrap_or_default() + "/host";
                evidence.push(rule.ingress.cite(&pointer, format!("is for {}", rule.says())));
                return Judged::Fault(Fault::Host((*rule).clone()), evidence);
            }
            (Some(_), _) => return Judged::Fine("several Ingresses could be meant for it".to_owned(), evidence),
            (None, _) => {}
        }
        self.missing(&here, evidence)
    }

    /// Whether a rule is meant for this path: its own is a slip of it, or served it before as a prefix.
    fn meant_path(&self, rule: &Rule<'e>) -> Option<(usize, String)> {
        let as_prefix = || {
            let own = rule.path?.trim_end_matches('/');
            let below = self.asked.path.strip_prefix(own)?.starts_with('/');
            (rule.is_exact() && !own.is_empty() && below && self.before.is_some()).then(|| (0, own.to_owned()))
        };
        routing::slip_of_path(rule, &self.asked.path).or_else(as_prefix)
    }

    /// Whether a rule is meant for this host: its own is a slip of it, or it was changed as the failing began.
    fn meant_host(&self, rule: &Rule<'e>) -> bool {
        let slip = rule.host.is_some_and(|host| routing::slip(host, &self.asked.host).is_some());
        slip || self.before.is_some() && self.changed_at_onset(rule.ingress.subject())
    }

    fn changed_at_onset(&self, subject: &Subject) -> bool {
        let near = |time: jiff::Timestamp| {
            self.symptom.since.is_some_and(|onset| onset.duration_since(time).as_secs().abs() <= 30)
        };
        self.model.evidence.changes.iter().any(|change| change.object == *subject && near(change.time))
    }

    /// There was a rule, because it was served, and there is none now.
    fn missing(&self, here: &[&Rule<'e>], mut evidence: Vec<Citation>) -> Judged<'e> {
        let Some(before) = self.before.clone().filter(|before| before.through_ingress) else {
            return Judged::Lacking(vec![lack_traffic(
                "no earlier request of this kind shows who served it".to_owned(),
            )]);
        };
        evidence.extend(before.evidence.clone());
        let of = |wanted: &dyn Fn(&Rule<'e>) -> bool| -> BTreeSet<&Subject> {
            here.iter().filter(|rule| wanted(rule)).map(|rule| rule.ingress.subject()).collect()
        };
        let all = of(&|_| true);
        let same_service = of(&|rule| rule.service().as_ref() == Some(&before.service));
        let changed = of(&|rule| self.changed_at_onset(rule.ingress.subject()));
        let one = [all.clone(), same_service, changed].into_iter().find(|set| set.len() == 1);
        let subject = match one.and_then(|set| set.into_iter().next()) {
            Some(ingress) => {
                if let Some(object) = self.model.object(ingress) {
                    let own: Vec<String> = here
                        .iter()
                        .filter(|rule| rule.ingress.subject() == ingress)
                        .map(|rule| rule.path.unwrap_or("/").to_owned())
                        .collect();
                    let says = format!("has rules for {}, none for {}", own.join(" and "), self.asked.path);
                    evidence.push(object.cite("/spec/rules", says));
                }
                ingress.clone()
            }
            None if all.is_empty() => Subject::global("name", &self.asked.host),
            None => return Judged::Fine("a rule could be missing in several Ingresses".to_owned(), evidence),
        };
        Judged::Fault(Fault::Missing(subject, before), evidence)
    }
}

/// The hops' access logs.
pub(super) fn lack_traffic(why: String) -> Lack {
    Lack {
        what: "traffic.jsonl".to_owned(),
        why,
        how: "the access logs of every hop (kubectl logs --since=1h of edge, ingress controller and applications), one request a line"
            .to_owned(),
        request: None,
    }
}
