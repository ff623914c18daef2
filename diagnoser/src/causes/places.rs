//! Where the settings of workloads name hosts, and with which port: in the template, or in a ConfigMap that it reads.

use std::collections::BTreeSet;

use crate::json::Value;

use crate::{
    diagnosis::Change,
    evidence::{Citation, Object},
    model::{Model, addresses_in, settings},
    subject::Subject,
};

/// A place of a setting that names a host, in the object one would change: the workload, or a ConfigMap it reads.
pub(super) struct Place {
    /// The object that has it.
    pub object: Subject,
    /// Where in the object.
    pub path: String,
    /// The whole setting.
    pub text: String,
    /// The host that it names.
    pub host: String,
    /// The port beside it.
    pub port: Option<u16>,
    /// The reading.
    pub cited: Citation,
}

impl Place {
    /// The setting with one whole word in the place of another.
    pub fn change(&self, wrong: &str, right: &str) -> Change {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let mut mended = String::new();
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find(wrong) {
            let (before, after) = (&rest[..at], &rest[at + wrong.len()..]);
            let whole = !before.ends_with(part) && !after.starts_with(part);
            mended.push_str(before);
            mended.push_str(if whole { right } else { wrong });
            rest = after;
        }
        mended.push_str(rest);
        Change::Set {
            object: self.object.clone(),
            path: self.path.clone(),
            from: self.text.clone().into(),
            to: mended.into(),
        }
    }
}

/// The ports with hosts that the settings of a pod name.
pub(super) fn ports<'m>(model: &'m Model<'_>, pod: &'m Object) -> impl Iterator<Item = (&'m str, u16)> {
    let maps = config_maps(pod).into_iter().map(|name| Subject::namespaced("configmap", pod.namespace(), name));
    let data = maps.filter_map(|map| model.object(&map)).flat_map(|map| map.map("/data").into_values());
    let texts = settings(pod, "/spec").map(|(_, text)| text).chain(data);
    texts.flat_map(addresses_in).filter_map(|address| {
        let (host, port) = address.rsplit_once(':')?;
        Some((host, port.parse().ok()?))
    })
}

/// Every place where the settings of a pod name a host.
pub(super) fn of(model: &Model<'_>, pod: &Object) -> Vec<Place> {
    let workload = model.workload_of(pod.subject());
    let template = model.object(&workload).filter(|workload| workload.get("/spec/template").is_some());
    let mut found = Vec::new();
    for (setting, text) in settings(pod, "/spec") {
        let pointer = setting.pointer("/spec");
        // What the template has is what one changes; a pod that has an owner is made from one, collected or not.
        let path = setting.pointer("/spec/template/spec");
        let in_template = template.map_or(workload != *pod.subject(), |template| template.text(&path) == Some(text));
        let (object, path) =
            if in_template { (workload.clone(), path) } else { (pod.subject().clone(), pointer.clone()) };
        add(&object, &path, text, &pod.cite(&pointer, text), &mut found);
    }
    for name in config_maps(pod) {
        let subject = Subject::namespaced("configmap", pod.namespace(), name);
        let Some(object) = model.object(&subject) else { continue };
        for (key, text) in object.map("/data") {
            let path = format!("/data/{}", key.replace('~', "~0").replace('/', "~1"));
            let said: String = text.chars().take(100).collect();
            add(&subject, &path, text, &object.cite(&path, said), &mut found);
        }
    }
    found
}

fn add(object: &Subject, path: &str, text: &str, cited: &Citation, found: &mut Vec<Place>) {
    let parts = |address: &str| match address.rsplit_once(':') {
        Some((host, port)) => (host.to_owned(), port.parse().ok()),
        None => (address.to_owned(), None),
    };
    let hosts: BTreeSet<(String, Option<u16>)> = addresses_in(text).map(parts).collect();
    // A setting that is a bare name and nothing else may be one of a host too.
    let bare = (!text.contains(|c: char| c.is_whitespace() || "/:=,".contains(c)) && !text.is_empty()).then_some(text);
    for (host, port) in hosts.into_iter().chain(bare.map(|host| (host.to_owned(), None))) {
        let (object, path, text) = (object.clone(), path.to_owned(), text.to_owned());
        found.push(Place { object, path, text, host, port, cited: cited.clone() });
    }
}

/// The ConfigMaps whose values a pod gets as its environment or as files.
fn config_maps(pod: &Object) -> BTreeSet<&str> {
    let containers = pod.list("/spec/containers").iter();
    let of_containers = containers.flat_map(|container| {
        let all = container["envFrom"].as_array().into_iter().flatten().map(|from| &from["configMapRef"]["name"]);
        let one =
            container["env"].as_array().into_iter().flatten().map(|env| &env["valueFrom"]["configMapKeyRef"]["name"]);
        all.chain(one)
    });
    let volumes = pod.list("/spec/volumes").iter().map(|volume| &volume["configMap"]["name"]);
    of_containers.chain(volumes).filter_map(Value::as_str).collect()
}
