//! What is asked for, as a URL: `postgres://app@db.example.test:5432/orders?password_file=/etc/app/password`.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use reqwest::Url;

use crate::outcome;

/// A name or an address, and a port.
pub type Host = (String, u16);

/// The kinds of server that there are clients for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP on one connection that is kept.
    Http,
    /// A connection, and a line where one is to be sent.
    Tcp,
    /// A look-up.
    Dns,
    /// A statement.
    Postgres,
    /// A record produced, acknowledged by all in-sync replicas.
    Kafka,
    /// A document inserted, acknowledged by the majority.
    Mongodb,
    /// A log-in.
    Ssh,
}

/// Scheme, its word in URLs, its usual port and the parameters it knows.
const SCHEMES: [(Scheme, &str, u16, &[&str]); 7] = [
    (Scheme::Http, "http", 80, &["hold", "open"]),
    (Scheme::Tcp, "tcp", 0, &["hold", "open", "send"]),
    (Scheme::Dns, "dns", 0, &[]),
    (Scheme::Postgres, "postgres", 5432, &["password_file", "statement"]),
    (Scheme::Kafka, "kafka", 9092, &["partition"]),
    (Scheme::Mongodb, "mongodb", 27017, &["password_file", "replicaSet", "authSource", "directConnection"]),
    (Scheme::Ssh, "ssh", 22, &["identity", "jump", "jump_identity", "known_hosts", "proxy", "option"]),
];

/// One server or several that stand in for each other, and what is asked of them.
#[derive(Clone, Debug)]
pub struct Target {
    /// The kind of server.
    pub scheme: Scheme,
    /// The user, where the URL names one.
    pub user: Option<String>,
    /// Where to.
    pub hosts: Vec<Host>,
    /// The path, `/` at least.
    pub path: String,
    settings: BTreeMap<String, Vec<String>>,
}

impl Scheme {
    fn entry(self) -> &'static (Self, &'static str, u16, &'static [&'static str]) {
        SCHEMES.iter().find(|entry| entry.0 == self).unwrap_or(&SCHEMES[0])
    }

    /// `postgres`.
    pub fn name(self) -> &'static str {
        self.entry().1
    }
}

impl Target {
    /// A parameter of the URL.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// A parameter that may be there more than once.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.settings.get(name).into_iter().flatten().map(String::as_str)
    }

    /// How long an open connection is to stay idle.
    pub fn idle(&self) -> Duration {
        self.setting("hold").and_then(|text| outcome::parse_duration(text).ok()).unwrap_or_default()
    }

    /// How many connections are to be open at once.
    pub fn open(&self) -> usize {
        self.setting("open").and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    /// What a record of the trickle calls the request.
    pub fn verb(&self) -> &'static str {
        match self.scheme {
            Scheme::Http => "GET",
            Scheme::Tcp => "CONNECT",
            Scheme::Dns => "RESOLVE",
            Scheme::Postgres if self.setting("statement") == Some("insert") => "INSERT",
            Scheme::Postgres => "QUERY",
            Scheme::Kafka => "PRODUCE",
            Scheme::Mongodb => "INSERT",
            Scheme::Ssh => "LOGIN",
        }
    }

    /// `host:port`, or several with commas.
    pub fn authority(&self) -> String {
        self.hosts.iter().map(written).collect::<Vec<_>>().join(",")
    }

    /// The parts of the path, the second with a default: database and table.
    pub fn place<'a>(&'a self, second: &'a str) -> (&'a str, &'a str) {
        let path = self.path.trim_matches('/');
        path.split_once('/').unwrap_or((path, second))
    }

    /// The password, out of its file.
    pub fn password(&self) -> Result<Option<String>, String> {
        let read = |path: &str| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let text = self.setting("password_file").map(read).transpose()?;
        Ok(text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn check(&self) -> Result<(), String> {
        let (_, name, _, known) = self.scheme.entry();
        for (key, value) in self.settings.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)))
        {
            if !known.contains(&key.as_str()) {
                return Err(format!("{name} URLs know no parameter `{key}`, only: {}", known.join(", ")));
            }
            match key.as_str() {
                "hold" => drop(outcome::parse_duration(value)?),
                "open" | "partition" => drop(value.parse::<u16>().map_err(|_| format!("`{value}` is no number"))?),
                "statement" if !["select", "insert"].contains(&value.as_str()) => {
                    return Err(format!("`{value}` is no statement; write select or insert"));
                }
                _ => {}
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
        match self.scheme {
            Scheme::Http => Ok(()),
            Scheme::Tcp if self.hosts.iter().any(|host| host.1 == 0) => Err("write the port".to_owned()),
            Scheme::Kafka if self.path == "/" => Err("write the topic: kafka://HOST:PORT/TOPIC".to_owned()),
            _ if !self.path.chars().all(plain) => {
                Err("the path names things by letters, digits, _, - and .".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("write SCHEME://HOST...")?;
        let names = || SCHEMES.iter().map(|entry| entry.1).collect::<Vec<_>>().join(", ");
        let &(scheme, _, port, _) = SCHEMES
            .iter()
            .find(|entry| entry.1 == scheme)
            .ok_or_else(|| format!("there is no client for `{scheme}`, only for {}", names()))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user.to_owned()), hosts),
            None => (None, authority),
        };
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err("a URL is no place for a password; write ?password_file=PATH".to_owned());
        }
        let hosts = hosts.split(',').map(|host| parse_host(host, port)).collect::<Result<_, _>>()?;
        // The parameters are decoded as those of any URL.
        let url = Url::parse(&format!("x:?{query}")).map_err(|error| error.to_string())?;
        let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in url.query_pairs() {
            settings.entry(key.into_owned()).or_default().push(value.into_owned());
        }
        let target = Self { scheme, user, hosts, path: format!("/{path}"), settings };
        target.check().map(|()| target)
    }
}

/// `host`, `host:port` or `[address]:port`, with the usual port.
pub fn parse_host(text: &str, usual: u16) -> Result<Host, String> {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(usual), |port| port.parse().map_err(|_| format!("`{port}` is no port")))?;
    if host.is_empty() { Err("a host is missing".to_owned()) } else { Ok((host.to_owned(), port)) }
}

/// `host:port`.
pub fn written((host, port): &Host) -> String {
    match (host.contains(':'), port) {
        (_, 0) => host.clone(),
        (true, port) => format!("[{host}]:{port}"),
        (false, port) => format!("{host}:{port}"),
    }
}

/// Without user, password and parameters.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path == "/" && self.scheme != Scheme::Http { "" } else { &self.path };
        write!(f, "{}://{}{path}", self.scheme.name(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_is_taken_apart_and_written_without_secrets() {
        let target = parse("mongodb://app@a,b:2,[::1]:3/shop/orders?replicaSet=rs0&password_file=/run/a%20b");
        assert_eq!(target.user.as_deref(), Some("app"));
        assert_eq!(target.hosts, [("a".to_owned(), 27017), ("b".to_owned(), 2), ("::1".to_owned(), 3)]);
        assert_eq!(target.place("orders"), ("shop", "orders"));
        assert_eq!(target.setting("password_file"), Some("/run/a b"));
        assert_eq!(target.to_string(), "mongodb://a:27017,b:2,[::1]:3/shop/orders");
        assert_eq!(parse("postgres://app@db/orders").place("x"), ("orders", "x"));
        assert_eq!(parse("dns://app.example.test").to_string(), "dns://app.example.test");
        assert_eq!(parse("tcp://h:80?hold=1500ms&open=3").idle(), Duration::from_millis(1500));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, word) in [
            ("redis://h", "no client for `redis`"),
            ("tcp://h", "port"),
            ("tcp://:80", "host"),
            ("tcp://h:http", "no port"),
            ("postgres://app:secret@h/x", "password_file"),
            ("postgres://h/x?statment=insert", "no parameter `statment`"),
            ("postgres://h/x?statement=drop", "no statement"),
            ("postgres://h/x/y;drop", "letters"),
            ("kafka://h", "topic"),
            ("tcp://h:1?hold=long", "no"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn the_verb_says_what_is_done() {
        assert_eq!(parse("postgres://h/x").verb(), "QUERY");
        assert_eq!(parse("postgres://h/x?statement=insert").verb(), "INSERT");
        assert_eq!(parse("ssh://h").verb(), "LOGIN");
    }
}
