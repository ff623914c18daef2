//! What of a recording can be shown, and what it tells: the readings that an engineer would take by hand. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::requests;
use crate::{
    LabError,
    drawing::reading::{Origin, Readings},
    serve,
    train::{Exercise, Look, Topic},
};

/// Shows what the words ask for: the text, and which look it was (none where it is only a list of what there is).
///
/// # Errors
/// When there is no such thing, with what there is.
pub(super) fn show(exercise: &Exercise, words: &[String]) -> Result<(Option<Look>, String), LabError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let whole = |topic, text: String| {
        let text = if text.is_empty() { "None was recorded.\n".to_owned() } else { text };
        Ok((Some(Look { topic, asked: format!("show {}", words.join(" ")), host: None }), text))
    };
    let evidence = &exercise.evidence;
    match words[..] {
        [] => Ok((None, contents(exercise))),
        ["requests" | "traffic", ref word @ ..] => {
            whole(Topic::Requests, requests::requests(evidence, word.first().copied()))
        }
        ["probes"] => whole(Topic::Probes, requests::probes(evidence)),
        ["changes"] => whole(Topic::Changes, requests::changes(evidence)),
        ["alerts"] => whole(Topic::Monitoring, text_of(exercise, "alerts.json")),
        ["metrics"] => whole(Topic::Monitoring, text_of(exercise, "metrics.csv")),
        ["coverage"] => Ok((None, pretty(&text_of(exercise, "coverage.json")))),
        ["objects"] => Ok((None, kinds(exercise))),
        ["objects", kind] if !kind.contains('/') => objects(exercise, kind),
        ["logs"] => Ok((None, log_names(exercise))),
        ["logs" | "log", ref name @ ..] => log(exercise, name),
        ["objects" | "object", name] | [name] if name.contains('/') => object(exercise, name),
        [host] => machine(exercise, host),
        [host, ref command @ ..] => reading(exercise, host, &command.join("-")),
    }
}

fn text_of(exercise: &Exercise, file: &str) -> String {
    exercise.files.get(file).cloned().unwrap_or_default()
}

fn pretty(json: &str) -> String {
    let value = serde_json::from_str::<Value>(json).and_then(|value| serde_json::to_string_pretty(&value));
    value.map_or_else(|_| json.to_owned(), |text| text + "\n")
}

/// What there is to look at.
fn contents(exercise: &Exercise) -> String {
    let evidence = &exercise.evidence;
    let count = |count: usize, what: &str| (count > 0).then(|| format!("show {what}\n"));
    let hosts: Vec<String> = machines(exercise).into_keys().map(|host| format!("show {host}\n")).collect();
    let parts = [
        count(evidence.traffic.len(), "requests"),
        count(evidence.probes.len(), "probes"),
        count(evidence.changes.len(), "changes"),
        count(evidence.alerts.len(), "alerts"),
        count(text_of(exercise, "metrics.csv").len(), "metrics"),
        count(evidence.objects.len(), "objects"),
        count(logs(exercise).count(), "logs"),
    ];
    parts.into_iter().flatten().chain(hosts).collect()
}

/// Kinds of objects, with how many there are.
fn kinds(exercise: &Exercise) -> String {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for object in exercise.evidence.objects.all() {
        *count.entry(&object.subject().kind).or_default() += 1;
    }
    count.into_iter().map(|(kind, count)| format!("{count:>5}  show objects {kind}\n")).collect()
}

/// Objects of a kind, a line each; events with what they say.
fn objects(exercise: &Exercise, kind: &str) -> Result<(Option<Look>, String), LabError> {
    let all = &exercise.evidence.objects;
    let kinds: BTreeSet<&str> = all.all().map(|object| object.subject().kind.as_str()).collect();
    let asked = serve::singular(&kind.to_lowercase());
    let singular = |known: &&&str| asked == **known || asked == serve::plural(known);
    let Some(kind) = kinds.iter().find(singular) else {
        let known = kinds.iter().copied();
        return Err(LabError::unknown_name("kind", kind, known, format!("Recorded are: {}.", join(&kinds))));
    };
    let lines: String = all
        .of_kind(kind)
        .map(|object| match object.text("/message").or(object.text("/note")) {
            Some(message) if *kind == "event" => {
                let about = object.regarding().map(|subject| subject.to_string()).unwrap_or_default();
                format!("{about}  {}: {message}\n", object.text("/reason").unwrap_or_default())
            }
            _ => format!("{}\n", object.subject()),
        })
        .collect();
    Ok((Some(Look::objects(kind, format!("show objects {kind}"))), lines))
}

/// One object, as YAML.
fn object(exercise: &Exercise, name: &str) -> Result<(Option<Look>, String), LabError> {
    let wanted = name.to_lowercase();
    let all = &exercise.evidence.objects;
    let Some(object) = all.all().find(|object| object.subject().to_string() == wanted) else {
        let names: Vec<String> = all.all().map(|object| object.subject().to_string()).collect();
        let next = "show objects lists the kinds, show objects KIND the objects.";
        return Err(LabError::unknown_name("object", name, names.iter().map(String::as_str), next));
    };
    let lines = Readings::new(&exercise.files).lines(&format!("object/{wanted}")).unwrap_or_default();
    let text = lines.into_iter().flat_map(|line| [line.text, "\n".to_owned()]).collect();
    Ok((Some(Look::objects(&object.subject().kind, format!("show {name}"))), text))
}

/// Every log, by file and name.
fn logs(exercise: &Exercise) -> impl Iterator<Item = (&str, &str)> {
    exercise.files.keys().filter_map(|file| match Origin::of(file) {
        Origin::Log(name) => Some((file.as_str(), name)),
        _ => None,
    })
}

/// The logs there are, by pod and container.
fn log_names(exercise: &Exercise) -> String {
    logs(exercise).map(|(_, name)| format!("show logs {}\n", name.replace('_', " "))).collect()
}

/// The log of the pod whose name begins so; with `previous`, that of the run before.
fn log(exercise: &Exercise, words: &[&str]) -> Result<(Option<Look>, String), LabError> {
    let previous = words.iter().any(|word| *word == "previous" || *word == "--previous" || word.ends_with(".previous"));
    let words: Vec<String> = words
        .iter()
        .flat_map(|word| word.split(['/', '_']))
        .map(|word| word.trim_end_matches(".previous").to_owned())
        .filter(|word| !matches!(word.as_str(), "previous" | "--previous" | "pod"))
        .collect();
    let has = |(_, name): &(&str, &str)| {
        let parts: Vec<&str> = name.trim_end_matches(".previous").split('_').collect();
        name.ends_with(".previous") == previous
            && words.iter().all(|word| parts.iter().any(|part| part.starts_with(word.as_str())))
    };
    let found: Vec<(&str, &str)> = logs(exercise).filter(has).collect();
    let wrong =
        |what: String, next: String| LabError::BadInput { place: format!("show logs {}", words.join(" ")), what, next };
    match found[..] {
        [(file, _)] => Ok((Some(Look::file(file)), text_of(exercise, file))),
        [] => Err(wrong(
            format!("there is no {}log of it", if previous { "previous " } else { "" }),
            "show logs lists all there are.".to_owned(),
        )),
        _ => {
            let names: Vec<String> = found.iter().map(|(_, name)| name.replace('_', " ")).collect();
            Err(wrong("several logs are called so".to_owned(), format!("One of:\n  {}", names.join("\n  "))))
        }
    }
}

/// Machines, with what was read on each: command to file.
fn machines(exercise: &Exercise) -> BTreeMap<&str, BTreeMap<String, &str>> {
    let mut machines: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
    for file in exercise.files.keys() {
        if let Origin::Machine(host, name) | Origin::Server(host, name) = Origin::of(file) {
            let name = name.trim_end_matches(".json").replace('/', "-");
            machines.entry(host).or_default().insert(name, file);
        }
    }
    machines
}

/// What was read on a machine.
fn machine(exercise: &Exercise, host: &str) -> Result<(Option<Look>, String), LabError> {
    let lines = of(exercise, host)?.into_keys().map(|command| format!("show {host} {command}\n")).collect();
    Ok((None, lines))
}

/// What a command printed on a machine.
fn reading(exercise: &Exercise, host: &str, command: &str) -> Result<(Option<Look>, String), LabError> {
    let read = of(exercise, host)?;
    let command = command.trim_end_matches(".txt");
    let Some(file) = read.get(command) else {
        let known = read.keys().map(String::as_str);
        let next = format!("Read there were: {}.", read.keys().cloned().collect::<Vec<_>>().join(", "));
        return Err(LabError::unknown_name("reading", command, known, next));
    };
    Ok((Some(Look::file(file)), text_of(exercise, file)))
}

fn of<'a>(exercise: &'a Exercise, host: &str) -> Result<BTreeMap<String, &'a str>, LabError> {
    let mut machines = machines(exercise);
    machines.remove(host).ok_or_else(|| {
        let all = machines.keys().copied().collect();
        LabError::unknown_name("machine", host, machines.keys().copied(), format!("Machines: {}.", join(&all)))
    })
}

fn join(words: &BTreeSet<&str>) -> String {
    words.iter().copied().collect::<Vec<_>>().join(", ")
}
