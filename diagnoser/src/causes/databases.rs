//! What workloads are told of the databases they use: the settings that their containers get as their environment, from the
//! template, from ConfigMaps and from Secrets, each kept with the place one would change.
//!
//! Source: core/v1 EnvVar, EnvFromSource; twelve-factor settings go in families (`DB_HOST`, `DB_PORT`, `DB_USER`,
//! `DB_PASSWORD`), or as one URL (RFC 3986, authority).

use std::collections::BTreeSet;

use crate::json::Value;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::Lack;
use crate::{
    evidence::{Citation, Object},
    model::{Model, addresses_in, is_steadily_ready},
    subject::Subject,
};

/// One value and where it stands. Values of Secrets are compared, never told.
#[derive(Clone)]
pub(super) struct Setting {
    pub key: String,
    pub value: String,
    pub object: Subject,
    pub path: String,
    pub cited: Citation,
}

impl Setting {
    /// The same value as the object would hold it.
    pub fn stored(&self, value: &str) -> Value {
        if self.object.is("secret") { BASE64.encode(value).into() } else { value.into() }
    }
}

/// A database that a workload is told of.
pub(super) struct Database {
    /// The host's name.
    pub host: Setting,
    /// What the host names.
    pub service: Subject,
    /// The port, with the setting that says so.
    pub port: Option<(u16, Setting)>,
    /// The user.
    pub user: Option<Setting>,
    /// The password.
    pub password: Option<Setting>,
}

/// Every database that a workload's pods are told of and that a Service stands for.
pub(super) fn of(model: &Model<'_>, pod: &Object) -> Vec<Database> {
    let settings = settings(model, pod);
    let find = |stem: &str, ends: &[&str]| {
        let keys: Vec<String> = ends.iter().map(|end| format!("{stem}{end}")).collect();
        settings.iter().find(|setting| keys.contains(&setting.key)).cloned()
    };
    let resolve = |host: &str| model.resolve(host, Some(pod.namespace())).filter(|service| service.is("service"));
    let mut found = Vec::new();
    for host in &settings {
        if let Some(stem) = ["HOST", "HOSTNAME", "SERVER"].iter().find_map(|end| host.key.strip_suffix(end)) {
            let Some(service) = resolve(&host.value) else { continue };
            let port = find(stem, &["PORT"]).and_then(|port| Some((port.value.parse().ok()?, port)));
            let user = find(stem, &["USER", "USERNAME", "LOGIN"]);
            let password = find(stem, &["PASSWORD", "PASS", "PWD"]);
            if !stem.is_empty() && (port.is_some() || password.is_some()) {
                found.push(Database { host: host.clone(), service, port, user, password });
            }
            continue;
        }
        if !host.value.contains("://") {
            continue;
        }
        for address in addresses_in(&host.value) {
            let Some((name, port)) = address.rsplit_once(':') else { continue };
            let (Some(service), Ok(port)) = (resolve(name), port.parse()) else { continue };
            let port = Some((port, host.clone()));
            found.push(Database { host: host.clone(), service, port, user: None, password: None });
        }
    }
    found
}

/// The environment of a pod's containers.
fn settings(model: &Model<'_>, pod: &Object) -> Vec<Setting> {
    let workload = model.workload_of(pod.subject());
    let template = model.object(&workload).is_some_and(|workload| workload.get("/spec/template").is_some());
    let mut found = Vec::new();
    for (c, container) in pod.list("/spec/containers").iter().enumerate() {
        for (e, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
            let Some(name) = variable["name"].as_str() else { continue };
            let pointer = format!("/spec/containers/{c}/env/{e}/value");
            if let Some(value) = variable["value"].as_str() {
                let (object, path) = if template {
                    (workload.clone(), format!("/spec/template{pointer}"))
                } else {
                    (pod.subject().clone(), pointer.clone())
                };
                let cited = pod.cite(&pointer, said(name, value, false));
                found.push(Setting { key: normal(name), value: value.to_owned(), object, path, cited });
            }
            for (kind, from) in [("configmap", "configMapKeyRef"), ("secret", "secretKeyRef")] {
                let from = &variable["valueFrom"][from];
                let (Some(object), Some(key)) = (from["name"].as_str(), from["key"].as_str()) else { continue };
                let values = values(model, &Subject::namespaced(kind, pod.namespace(), object));
                found.extend(
                    values
                        .into_iter()
                        .filter(|(of, _)| of == key)
                        .map(|(_, setting)| Setting { key: normal(name), ..setting }),
                );
            }
        }
        for from in container["envFrom"].as_array().into_iter().flatten() {
            let prefix = from["prefix"].as_str().unwrap_or_default();
            for (kind, key) in [("configmap", "configMapRef"), ("secret", "secretRef")] {
                let Some(object) = from[key]["name"].as_str() else { continue };
                let values = values(model, &Subject::namespaced(kind, pod.namespace(), object));
                found.extend(
                    values
                        .into_iter()
                        .map(|(key, setting)| Setting { key: normal(&format!("{prefix}{key}")), ..setting }),
                );
            }
        }
    }
    found
}

/// What a report may say of a setting.
fn said(key: &str, value: &str, secret: bool) -> String {
    let lower = key.to_ascii_lowercase();
    let hidden = secret || ["pass", "pwd", "secret", "token", "key"].iter().any(|part| lower.contains(part));
    if hidden { key.to_owned() } else { format!("{key}={}", value.chars().take(120).collect::<String>()) }
}

/// Names of settings without what differs by fashion.
fn normal(key: &str) -> String {
    key.to_ascii_uppercase().replace(['.', '-'], "_")
}

/// The values of a ConfigMap or a Secret, by key.
fn values(model: &Model<'_>, subject: &Subject) -> Vec<(String, Setting)> {
    let Some(object) = model.object(subject) else { return vec![] };
    let secret = subject.is("secret");
    let mut found = Vec::new();
    for list in ["data", "stringData"] {
        for (key, text) in object.map(&format!("/{list}")) {
            let value =
                if secret && list == "data" { decoded(text).unwrap_or_default() } else { text.trim_end().to_owned() };
            let path = format!("/{list}/{}", key.replace('~', "~0").replace('/', "~1"));
            let cited = object.cite(&path, said(key, &value, secret));
            let setting = Setting { key: normal(key), value, object: subject.clone(), path, cited };
            found.push((key.to_owned(), setting));
        }
    }
    found
}

/// The Secrets and ConfigMaps that a pod reads and that were not collected, or whose values were taken out.
pub(super) fn unread(model: &Model<'_>, pod: &Object) -> Vec<Lack> {
    let mut names: BTreeSet<(&str, &str)> = BTreeSet::new();
    for container in pod.list("/spec/containers") {
        for from in container["envFrom"].as_array().into_iter().flatten() {
            for (kind, key) in [("configmap", "configMapRef"), ("secret", "secretRef")] {
                names.extend(from[key]["name"].as_str().map(|name| (kind, name)));
            }
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            for (kind, key) in [("configmap", "configMapKeyRef"), ("secret", "secretKeyRef")] {
                names.extend(variable["valueFrom"][key]["name"].as_str().map(|name| (kind, name)));
            }
        }
    }
    let mut lacks = Vec::new();
    for (kind, name) in names {
        let subject = Subject::namespaced(kind, pod.namespace(), name);
        let told = values(model, &subject).iter().any(|(_, setting)| !setting.value.is_empty());
        if !told {
            lacks.push(Lack {
                what: subject.to_string(),
                why: "what it says of the database was not collected".to_owned(),
                how: format!("kubectl -n {} get {kind} {name} -o yaml", pod.namespace()),
                request: None,
            });
        }
    }
    lacks
}

/// One pod of every other workload in the cluster.
pub(super) fn others<'e>(model: &Model<'e>, workload: &Subject) -> Vec<&'e Object> {
    let others = model.workloads().iter().filter(|other| *other != workload);
    others.filter_map(|other| model.pods_of(other).find(|pod| is_steadily_ready(pod, model.now))).collect()
}

/// Base64 as Secrets hold it, whether or not it is padded to the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text that a Secret's value stands for; `None` where it is no base64, or no text.
fn decoded(text: &str) -> Option<String> {
    let letters: String = text.split_ascii_whitespace().collect();
    String::from_utf8(BASE64.decode(letters).ok()?).ok().map(|text| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_there_and_back() {
        for text in ["", "a", "ab", "abc", "3306", "p@ss:w0rd/"] {
            assert_eq!(decoded(&BASE64.encode(text)).as_deref(), Some(text));
        }
        assert_eq!(BASE64.encode("3306"), "MzMwNg==");
        assert_eq!(decoded("REDACTED!"), None);
    }
}
