//! What a container wrote, as far as it was recorded. Where the runtime's times were kept with the lines they are used; else
//! lines are timed by what stands in them.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    answer::{Answer, bad_request, failure},
    ask::Ask,
    cluster::Cluster,
};

/// The answer to `GET .../pods/NAME/log`. A log that is followed ends where the recording does.
pub(super) fn answer(cluster: &Cluster, ask: &Ask, pod: &Value) -> Answer {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let container = match container(pod, ask.parameter("container")) {
        Ok(container) => container,
        Err(why) => return bad_request(why),
    };
    let previous = ask.says("previous");
    let status = status(pod, container);
    if previous && status["lastState"]["terminated"].is_null() {
        return bad_request(format!("previous terminated container \"{container}\" in pod \"{name}\" not found"));
    }
    // Of a container that waits to be started again the last instance is the previous one (kubelet, validateContainerLogStatus).
    let before = previous && status["state"]["waiting"].is_null();
    match cluster.log(namespace, name, container, before) {
        Ok(text) => {
            let (text, warning) = cut(text, ask, cluster.now);
            Answer::text(text).warning(warning)
        }
        Err(why) => match status["state"]["waiting"]["reason"].as_str() {
            Some(reason) if status["lastState"]["terminated"].is_null() => {
                let words = match reason {
                    "ErrImagePull" => "image can't be pulled",
                    "ImagePullBackOff" => "trying and failing to pull image",
                    reason => reason,
                };
                bad_request(format!("container \"{container}\" in pod \"{name}\" is waiting to start: {words}"))
            }
            _ => failure(404, "NotFound", format!("container \"{container}\" in pod \"{name}\": {why}"), Value::Null),
        },
    }
}

/// The container that is meant: the one named, or the only one.
fn container<'a>(pod: &'a Value, named: &str) -> Result<&'a str, String> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let names = |list: &str| -> Vec<&'a str> {
        let containers = pod["spec"][list].as_array().into_iter().flatten();
        containers.filter_map(|container| container["name"].as_str()).collect()
    };
    let (own, first) = (names("containers"), names("initContainers"));
    match (named, &own[..]) {
        ("", [only]) => Ok(only),
        ("", all) => {
            let all = all.join(" ");
            let init = if first.is_empty() {
                String::new()
            } else {
                format!(" or one of the init containers: [{}]", first.join(" "))
            };
            Err(format!("a container name must be specified for pod {name}, choose one of: [{all}]{init}"))
        }
        (named, _) => own
            .into_iter()
            .chain(first)
            .chain(names("ephemeralContainers"))
            .find(|name| *name == named)
            .ok_or_else(|| format!("container {named} is not valid for pod {name}")),
    }
}

fn status<'a>(pod: &'a Value, container: &str) -> &'a Value {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let statuses = lists.iter().flat_map(|list| pod["status"][*list].as_array().into_iter().flatten());
    statuses.into_iter().find(|status| status["name"] == container).unwrap_or(&Value::Null)
}

/// The lines that are asked for, and what of the question could not be met.
fn cut(text: &str, ask: &Ask, now: Timestamp) -> (String, Option<String>) {
    let since = ask.parameter("sinceTime").parse().ok().or_else(|| {
        let seconds: i64 = ask.parameter("sinceSeconds").parse().ok()?;
        now.checked_sub(SignedDuration::from_secs(seconds)).ok()
    });
    let stamped = ask.says("timestamps");
    let kept = text.lines().all(|line| stamp(line).is_some());
    let mut last = None;
    let mut untimed = false;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let (own, line) = match stamp(line).filter(|_| kept) {
            Some((time, line)) => (Some(time), line),
            None => (time(line), line),
        };
        // A line without a time of its own belongs to the one before it.
        last = own.or(last);
        untimed |= last.is_none();
        if since.zip(last).is_some_and(|(since, last): (Timestamp, Timestamp)| last < since) {
            continue;
        }
        lines.push(match last.filter(|_| stamped) {
            Some(time) => format!("{time:.9} {line}\n"),
            None => format!("{line}\n"),
        });
    }
    if let Ok(tail) = ask.parameter("tailLines").parse::<usize>() {
        lines.drain(..lines.len().saturating_sub(tail));
    }
    let mut text = lines.concat();
    if let Ok(limit) = ask.parameter("limitBytes").parse::<usize>() {
        let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
    }
    let warning = (untimed && (since.is_some() || stamped))
        .then(|| "lines without a time of their own: the recording has no other, so they are all shown".to_owned());
    (text, warning)
}

/// The time that the runtime put before a line, to the nanosecond (`kubectl logs --timestamps`), and the line.
fn stamp(line: &str) -> Option<(Timestamp, &str)> {
    let (time, rest) = line.split_at_checked("2026-01-01T00:00:00.000000000Z".len())?;
    Some((time.parse().ok()?, rest.strip_prefix(' ').or(rest.is_empty().then_some(""))?))
}

/// The time that stands in a line: at its beginning, or as `time`, `ts` or `timestamp` of a JSON object.
fn time(line: &str) -> Option<Timestamp> {
    let first = line.split([' ', '\t']).next().unwrap_or_default().trim_matches(['[', ']']);
    first.parse().ok().or_else(|| {
        let object: Value = line.starts_with('{').then(|| serde_json::from_str(line).ok())??;
        ["time", "ts", "timestamp"].iter().find_map(|key| object[*key].as_str()?.parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LOG: &str =
        "{\"time\":\"2026-01-01T00:00:00Z\",\"m\":1}\n{\"time\":\"2026-01-01T00:00:50Z\",\"m\":2}\n  at main\n";

    fn shown(parameters: &[(&str, &str)]) -> String {
        let query = parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        cut(LOG, &Ask { query, ..Ask::default() }, "2026-01-01T00:01:00Z".parse().expect("a time")).0
    }

    #[test]
    fn what_is_asked_for_is_shown() {
        assert_eq!(shown(&[]), LOG);
        assert_eq!(shown(&[("tailLines", "1")]), "  at main\n");
        assert_eq!(shown(&[("sinceSeconds", "20")]), "{\"time\":\"2026-01-01T00:00:50Z\",\"m\":2}\n  at main\n");
        assert_eq!(shown(&[("limitBytes", "3")]), "{\"t");
        assert!(shown(&[("timestamps", "true")]).ends_with("\n2026-01-01T00:00:50.000000000Z   at main\n"));
    }

    #[test]
    fn the_runtimes_own_times_are_shown_when_asked_for() {
        let log = "2026-01-01T00:00:00.000000001Z one\n2026-01-01T00:00:50.000000002Z two\n";
        let shown = |stamped: &str| {
            let query = [("timestamps".to_owned(), stamped.to_owned())].into();
            cut(log, &Ask { query, ..Ask::default() }, Timestamp::UNIX_EPOCH).0
        };
        assert_eq!(shown("false"), "one\ntwo\n");
        assert_eq!(shown("true"), log);
    }

    #[test]
    fn of_several_containers_one_must_be_named() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        assert_eq!(container(&pod, "b"), Ok("b"));
        assert!(container(&pod, "").expect_err("two").contains("choose one of: [a b]"));
        assert!(container(&pod, "c").expect_err("none").contains("not valid"));
    }
}
