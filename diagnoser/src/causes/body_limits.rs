//! Where limits of request bodies are written: configurations of nginx in ConfigMaps, and settings of applications.

use crate::json::{Value, json};

use super::{request_body_limit::Sizes, rollout};
use crate::{
    diagnosis::Change,
    evidence::{Citation, Object, Quantity},
    model::Model,
    subject::Subject,
};

/// A limit and the place where it stands.
pub(super) struct Limit {
    /// The object that holds it.
    pub(super) subject: Subject,
    /// What it says.
    pub(super) cited: Citation,
    bytes: u64,
    path: String,
    /// The whole text in which it stands, and the part that says it; nothing where it goes unsaid.
    text: String,
    part: String,
    /// The workload that has to start anew to read it; `None` where the change itself brings that about.
    restart: Option<Subject>,
}

/// What nginx allows where nothing is said (ngx_http_core_module).
const NGINX_DEFAULT: u64 = 1 << 20;

/// Every limit that a pod is configured with.
pub(super) fn of_pod(model: &Model<'_>, pod: &Object) -> Vec<Limit> {
    let workload = model.workload_of(pod.subject());
    let mut limits = Vec::new();
    for volume in pod.list("/spec/volumes") {
        let Some(name) = volume["configMap"]["name"].as_str() else { continue };
        let config = Subject::namespaced("configmap", pod.namespace(), name);
        let Some(config) = model.object(&config) else { continue };
        for (key, text) in config.map("/data") {
            limits.extend(of_nginx(config, key, text, &workload));
        }
    }
    let (object, spec) = match model.object(&workload) {
        Some(object) if object.get("/spec/template/spec").is_some() => (object, "/spec/template/spec"),
        _ => (pod, "/spec"),
    };
    for c in 0..object.list(&format!("{spec}/containers")).len() {
        let place = format!("{spec}/containers/{c}/env");
        for (e, variable) in object.list(&place).iter().enumerate() {
            let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) else { continue };
            let path = format!("{place}/{e}/value");
            limits.extend(of_setting(object, &workload, path, name, value, value));
        }
        let place = format!("{spec}/containers/{c}/args");
        for (a, argument) in object.list(&place).iter().filter_map(Value::as_str).enumerate() {
            let Some((name, value)) = argument.split_once('=') else { continue };
            limits.extend(of_setting(object, &workload, format!("{place}/{a}"), name, value, argument));
        }
    }
    limits
}

fn of_nginx(config: &Object, key: &str, text: &str, workload: &Subject) -> Vec<Limit> {
    const DIRECTIVE: &str = "client_max_body_size";
    let path = format!("/data/{}", key.replace('~', "~0").replace('/', "~1"));
    let limit = |bytes: u64, part: &str, says: String| Limit {
        subject: config.subject().clone(),
        cited: config.cite(&path, says),
        bytes,
        path: path.clone(),
        text: text.to_owned(),
        part: part.to_owned(),
        restart: Some(workload.clone()),
    };
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let statements = lines.flat_map(|line| line.split(['{', '}', ';'])).map(str::trim);
    let said: Vec<Limit> = statements
        .filter_map(|statement| {
            let value = statement.strip_prefix(DIRECTIVE)?.trim();
            let unit = match value.to_ascii_lowercase().chars().last()? {
                'k' => 1 << 10,
                'm' => 1 << 20,
                'g' => 1 << 30,
                _ => 1,
            };
            let number: u64 = value.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
            Some(limit(number * unit, statement, statement.to_owned()))
        })
        .collect();
    if said.is_empty() && text.contains("http {") && text.contains("server {") {
        return vec![limit(NGINX_DEFAULT, "", format!("no {DIRECTIVE}, which is 1m"))];
    }
    said
}

/// A setting whose name speaks of the size of bodies.
fn of_setting(object: &Object, workload: &Subject, path: String, name: &str, value: &str, text: &str) -> Option<Limit> {
    let name = name.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if !any(&["limit", "max"])
        || !any(&["body", "upload", "payload", "content", "request_size", "request-size", "entity"])
    {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let bytes = Quantity::parse(value).map(|quantity| quantity.value as u64)?;
    Some(Limit {
        subject: workload.clone(),
        cited: object.cite(&path, format!("{}={value}", name.trim_start_matches('-'))),
        bytes,
        path,
        text: text.to_owned(),
        part: value.to_owned(),
        restart: None,
    })
}

impl Limit {
    /// Whether it lets pass what passed and stops what failed. No limit is written as 0.
    pub(super) fn stops(&self, sizes: &Sizes) -> bool {
        self.bytes > 0 && sizes.passed <= self.bytes && self.bytes < sizes.failed
    }

    /// Twice what has to pass, or what the workload had before.
    pub(super) fn raise(&self, model: &Model<'_>, largest: u64) -> (String, Vec<Change>) {
        let enough = (2 * largest).next_power_of_two();
        let summary = format!("Let {} allow request bodies of more than {largest} bytes", self.subject);
        if let Some(earlier) = rollout::previous(model, &self.subject) {
            let field = self.path.strip_prefix("/spec/template").unwrap_or_default();
            let changed: Vec<String> =
                earlier.changed().into_iter().filter(|changed| field.starts_with(changed.as_str())).collect();
            if !changed.is_empty() {
                return (summary, earlier.restore(model, &changed));
            }
        }
        let to = match &self.restart {
            None => self.text.replacen(&self.part, &enough.to_string(), 1),
            Some(_) => {
                let said = format!("client_max_body_size {}m", enough.div_ceil(1 << 20));
                if self.part.is_empty() {
                    self.text.replacen("http {", &format!("http {{\n  {said};"), 1)
                } else {
                    self.text.replace(&self.part, &said)
                }
            }
        };
        let mut patch = vec![Change::Set {
            object: self.subject.clone(),
            path: self.path.clone(),
            from: json!(self.text),
            to: json!(to),
        }];
        if let Some(workload) = &self.restart
            && let Some(time) = model.now
        {
            // As `kubectl rollout restart` does it.
            let path = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt".to_owned();
            patch.push(Change::Set { object: workload.clone(), path, from: Value::Null, to: json!(time.to_string()) });
        }
        (summary, patch)
    }
}
