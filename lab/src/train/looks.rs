//! What a trainee looked at, by what it tells: whichever way it was asked for, by kubectl, by `show` or on the page.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::serve;

/// Options of kubectl that are followed by a value.
const WITH_VALUE: [&str; 13] = [
    "-n",
    "--namespace",
    "-l",
    "--selector",
    "-o",
    "--output",
    "-c",
    "--container",
    "--field-selector",
    "--sort-by",
    "--since",
    "--tail",
    "-f",
];

/// What a reading is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Nodes, pods and workloads: do they run, are they ready?
    Health,
    /// What a monitoring system raised or measured.
    Monitoring,
    /// Requests as each hop logged them.
    Requests,
    /// Attempts made by hand, and what they came to.
    Probes,
    /// What was changed, and when.
    Changes,
    /// Routes of requests: Services, Ingresses, mesh rules, names.
    Routes,
    /// Who stands behind a Service.
    Endpoints,
    /// Network policies and firewall rules.
    Filters,
    /// Events of the cluster.
    Events,
    /// Logs of containers and journals of services.
    Logs,
    /// Logs of the run before the last restart.
    PreviousLogs,
    /// Who listens where, and who is connected.
    Sockets,
    /// Addresses, routes, links and names of a machine.
    Network,
    /// Space, memory, counters and load of a machine.
    Resources,
    /// What a server says of itself: settings, sessions, health.
    Servers,
    /// Anything else: other kinds of objects.
    Settings,
}

impl Topic {
    /// The level of the investigation pyramid: 1 system health, 2 application signals, 3 request flow, 4 detail.
    pub fn level(self) -> u8 {
        match self {
            Self::Health => 1,
            Self::Monitoring | Self::Requests | Self::Changes => 2,
            Self::Probes | Self::Routes | Self::Endpoints | Self::Filters | Self::Network => 3,
            _ => 4,
        }
    }

    /// In words, after "looked at".
    pub fn words(self) -> &'static str {
        match self {
            Self::Health => "nodes, pods and workloads",
            Self::Monitoring => "alerts and measurements",
            Self::Requests => "the requests, hop by hop",
            Self::Probes => "what attempts by hand come to",
            Self::Changes => "what was changed",
            Self::Routes => "where requests are sent",
            Self::Endpoints => "who stands behind the Service",
            Self::Filters => "policies and firewall rules",
            Self::Events => "events",
            Self::Logs => "logs",
            Self::PreviousLogs => "logs of the run before",
            Self::Sockets => "who listens where",
            Self::Network => "addresses, routes and names",
            Self::Resources => "space, memory and counters",
            Self::Servers => "what the server says of itself",
            Self::Settings => "other objects",
        }
    }

    /// Of a kind of object, singular or plural, in any case.
    pub fn of_kind(kind: &str) -> Self {
        let kind = kind.to_ascii_lowercase();
        let starts = |words: &[&str]| words.iter().any(|word| kind.starts_with(word));
        if starts(&["endpoint"]) {
            Self::Endpoints
        } else if starts(&["event"]) {
            Self::Events
        } else if starts(&["networkpolic"]) {
            Self::Filters
        } else if starts(&["controllerrevision"]) {
            Self::Changes
        } else if starts(&["serviceaccount"]) {
            Self::Settings
        } else if starts(&["service", "ingress", "virtualservice", "destinationrule", "gateway", "httproute"]) {
            Self::Routes
        } else if starts(&[
            "pod",
            "node",
            "deployment",
            "statefulset",
            "daemonset",
            "replicaset",
            "job",
            "cronjob",
            "component",
        ]) {
            Self::Health
        } else {
            Self::Settings
        }
    }

    /// Of a file of the evidence folder; `objects.json` is of no one topic, its objects are ([`Topic::of_kind`]).
    pub fn of_file(file: &str) -> Self {
        let command = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".txt");
        let is = |words: &[&str]| words.iter().any(|word| command == *word || command.starts_with(&format!("{word}-")));
        match file.split('/').next().unwrap_or_default() {
            "traffic.jsonl" => Self::Requests,
            "probes.json" => Self::Probes,
            "changes.json" => Self::Changes,
            "alerts.json" | "metrics.csv" => Self::Monitoring,
            "logs" if command.ends_with(".previous") => Self::PreviousLogs,
            "logs" => Self::Logs,
            "services" => Self::Servers,
            "hosts" if is(&["ss"]) => Self::Sockets,
            "hosts" if is(&["nft", "iptables"]) => Self::Filters,
            "hosts" if is(&["journal", "dmesg"]) => Self::Logs,
            "hosts" if is(&["systemctl", "ps"]) => Self::Health,
            "hosts" if is(&["ip", "resolv", "hosts", "tc", "tcpdump"]) => Self::Network,
            "hosts" => Self::Resources,
            _ => Self::Settings,
        }
    }
}

/// One look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    /// What it tells.
    pub topic: Topic,
    /// What was asked for, as a person would write it: `kubectl get pods -n shop`, `show app ss`.
    pub asked: String,
    /// The machine, where it was one's.
    pub host: Option<String>,
}

impl Look {
    /// A look at a file of the evidence folder.
    pub fn file(file: &str) -> Self {
        let mut parts = file.split('/');
        let host = match parts.next() {
            Some("hosts" | "services") => parts.next().map(str::to_owned),
            _ => None,
        };
        let asked = file.trim_end_matches(".txt").replace('/', " ");
        Self { topic: Topic::of_file(file), asked: format!("show {}", asked.trim_start_matches("hosts ")), host }
    }

    /// A look at objects of a kind.
    pub fn objects(kind: &str, asked: impl Into<String>) -> Self {
        Self { topic: Topic::of_kind(kind), asked: asked.into(), host: None }
    }

    /// What kubectl shows, by its words: one look a topic.
    pub fn kubectl(arguments: &[String]) -> Vec<Self> {
        let mut words = Vec::new();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            if WITH_VALUE.contains(&word) {
                rest.next();
            } else if !word.starts_with('-') {
                words.push(word);
            }
        }
        let of_run_before = arguments.iter().any(|argument| matches!(argument.as_str(), "-p" | "--previous"));
        let kinds = |kinds: &str| -> BTreeSet<Topic> {
            let kinds = kinds.split(',').filter_map(|kind| kind.split(['/', '.']).next());
            kinds.map(|kind| Topic::of_kind(&serve::singular(&kind.to_lowercase()))).collect()
        };
        let topics = match words[..] {
            ["get", asked, ..] => kinds(asked),
            // It ends with the events of what it describes.
            ["describe", asked, ..] => kinds(asked).into_iter().chain([Topic::Events]).collect(),
            ["events", ..] => [Topic::Events].into(),
            ["logs", ..] if of_run_before => [Topic::PreviousLogs].into(),
            ["logs", ..] => [Topic::Logs].into(),
            ["rollout", ..] => [Topic::Changes].into(),
            ["top", ..] => [Topic::Resources].into(),
            ["exec" | "debug" | "run", ..] => [Topic::Probes].into(),
            _ => BTreeSet::new(),
        };
        let asked = format!("kubectl {}", arguments.join(" "));
        topics.into_iter().map(|topic| Self { topic, asked: asked.clone(), host: None }).collect()
    }

    /// A look through the Kubernetes API, from the path and query of its request; `None` for discovery and other questions
    /// that show nothing.
    pub fn request(path_and_query: &str) -> Option<Self> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let version = match *parts.first()? {
            "api" => 2,
            "apis" => 3,
            _ => return None,
        };
        if parts.len() <= version {
            return None;
        }
        parts.drain(..version);
        if parts.first() == Some(&"namespaces") && parts.len() > 2 {
            parts.drain(..2);
        }
        let topic = match parts[..] {
            [_, _, "log"] if query.split('&').any(|pair| pair == "previous=true") => Topic::PreviousLogs,
            [_, _, "log"] => Topic::Logs,
            [kind, ..] => Topic::of_kind(kind),
            [] => return None,
        };
        Some(Self { topic, asked: format!("GET {path_and_query}"), host: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_the_api_are_told_by_what_they_show() {
        let topic = |path: &str| Look::request(path).map(|look| look.topic);
        assert_eq!(topic("/api/v1/namespaces/shop/pods?limit=500"), Some(Topic::Health));
        assert_eq!(topic("/api/v1/namespaces/shop/pods/web-1/log?previous=true"), Some(Topic::PreviousLogs));
        assert_eq!(topic("/api/v1/namespaces/shop/pods/web-1/log?container=web"), Some(Topic::Logs));
        assert_eq!(topic("/apis/discovery.k8s.io/v1/endpointslices"), Some(Topic::Endpoints));
        assert_eq!(topic("/api/v1/namespaces/shop"), Some(Topic::Settings));
        assert_eq!(topic("/api/v1/services"), Some(Topic::Routes));
        assert_eq!(
            (topic("/apis"), topic("/api/v1"), topic("/version"), topic("/openapi/v3")),
            (None, None, None, None)
        );
    }

    #[test]
    fn commands_of_kubectl_are_told_by_what_they_show() {
        let topics = |line: &str| -> Vec<Topic> {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            Look::kubectl(&words).into_iter().map(|look| look.topic).collect()
        };
        assert_eq!(topics("-n shop get svc,ep -o wide"), [Topic::Routes, Topic::Endpoints]);
        assert_eq!(topics("describe pod/web-1 -n shop"), [Topic::Health, Topic::Events]);
        assert_eq!(topics("logs -n shop web-1 --previous"), [Topic::PreviousLogs]);
        assert_eq!(topics("get netpol -A"), [Topic::Filters]);
        assert_eq!(topics("version"), []);
    }

    #[test]
    fn files_are_told_by_what_they_show() {
        for (file, topic) in [
            ("hosts/app/ss.txt", Topic::Sockets),
            ("hosts/app/ss-all.txt", Topic::Sockets),
            ("hosts/app/journal-nginx.txt", Topic::Logs),
            ("hosts/app/ip-route.txt", Topic::Network),
            ("hosts/app/df-inodes.txt", Topic::Resources),
            ("logs/a_b_c.previous.txt", Topic::PreviousLogs),
            ("services/db/activity.txt", Topic::Servers),
        ] {
            assert_eq!(Topic::of_file(file), topic, "{file}");
        }
        assert_eq!(
            Look::file("hosts/app/ss.txt"),
            Look { topic: Topic::Sockets, asked: "show app ss".to_owned(), host: Some("app".to_owned()) }
        );
    }
}
