//! A server closes connections that were idle for longer than it is set to, while its clients still mean to use them.
//!
//! # What it looks like
//! Requests on a new connection are answered, the next on a kept one finds it closed (reset, or closed by the server), always
//! after the same number of seconds of silence. Busy clients never see it. What forgets connections on the way (NAT, a
//! firewall) knows such a number too, but tells nobody: there the next request waits in vain.
//!
//! # Confirm by hand
//! `nc SERVER PORT`, ask once, and count until it is closed. Beside it the setting: `nginx -T | grep keepalive_timeout`, `grep
//! timeout /etc/haproxy/haproxy.cfg`. A capture shows the server's FIN that many seconds after its last answer.
//!
//! # Fix
//! Let the server keep connections for longer than the client's pool does, or the pool for less long than the server
//! (maxIdleTime below the server's timeout), and let clients repeat what is safe to repeat.
//!
//! # Who acts
//! The owner of the server's configuration, with the owners of its clients.
//!
//! # Source
//! nginx.org, `keepalive_timeout`; HAProxy configuration manual, `timeout http-keep-alive`, `timeout client`; RFC 9112, 9.5.

use super::{
    Case, Cause, Finding, Lack, State,
    cut_off::{self, Configuration, Cut, seconds},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, duration},
    model::Model,
};

/// See the module's comment.
pub struct ServerIdleTimeout;

/// nginx's own setting where none is made, in seconds.
const USUAL: f64 = 75.0;
/// What is shorter cannot be told from an end at once.
const SHORTEST: f64 = 1.0;

/// A timeout that a server is set to.
struct Setting {
    seconds: f64,
    cited: Citation,
    fix: Fix,
}

impl Cause for ServerIdleTimeout {
    fn id(&self) -> &'static str {
        "server-idle-timeout"
    }

    fn source(&self) -> &'static str {
        include_str!("server_idle_timeout.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        cut_off::examine(case.model, examine)
    }
}

fn examine(model: &Model<'_>, cut: &Cut<'_>) -> State {
    let last: Vec<f64> = cut.resets.iter().rev().take(3).filter_map(|attempt| attempt.seconds).collect();
    let Some(shortest) = last.iter().copied().reduce(f64::min).filter(|shortest| *shortest >= SHORTEST) else {
        return State::excluded("connections are closed at once, not after a while", cut.cites());
    };
    let mut settings = Vec::new();
    let mut lacks: Vec<Lack> = Vec::new();
    if cut.may_be("nginx") {
        match Configuration::of(model, cut.host) {
            Fact::Seen(configuration) => settings.extend(of_nginx(model, cut.host, &configuration)),
            Fact::Missed(why) => lacks.push(Configuration::lack(cut.host, why)),
        }
    }
    if cut.may_be("haproxy") {
        match model.evidence.services.text(cut.host, "haproxy.cfg") {
            Fact::Seen(text) => settings.extend(of_haproxy(model, cut.host, text)),
            Fact::Missed(why) => lacks.push(Lack {
                what: format!("services/{}/haproxy.cfg.txt", cut.host),
                why,
                how: format!("cat /etc/haproxy/haproxy.cfg   on {}", cut.host),
                request: None,
            }),
        }
    }
    // The clock of the server starts with its last answer, that of the client with the connection.
    let fits = |own: f64| last.iter().all(|seconds| (own - 0.2..own + 1.0 + own * 0.05).contains(seconds));
    if let Some(setting) = settings.iter().find(|setting| fits(setting.seconds)) {
        let mut evidence = vec![setting.cited.clone()];
        evidence.extend(cut.cites());
        return State::holds(evidence, setting.fix.clone());
    }
    if !lacks.is_empty() && settings.is_empty() {
        return State::Undecided(lacks);
    }
    let cited = settings.into_iter().map(|setting| setting.cited).chain(cut.cites()).collect();
    State::excluded(format!("they are closed after {}, which no timeout of {} is", duration(shortest), cut.host), cited)
}

fn of_nginx(model: &Model<'_>, host: &str, configuration: &Configuration<'_>) -> Vec<Setting> {
    let all = super::nginx::all(&configuration.directives, "keepalive_timeout");
    let settings = all.into_iter().filter_map(|directive| {
        let own = seconds(directive.words.get(1)?, 1.0).filter(|own| *own > 0.0)?;
        let longer = USUAL.max(own * 4.0);
        let command = configuration.replace(directive, &format!("keepalive_timeout {longer}s;"));
        let summary =
            format!("Let nginx of {host} keep idle connections for {longer} s, longer than its clients use them");
        let fix = Fix { summary, patch: vec![Change::Run { host: host.to_owned(), command }] };
        Some(Setting { seconds: own, cited: configuration.cite(model, directive), fix })
    });
    settings.collect()
}

fn of_haproxy(model: &Model<'_>, host: &str, text: &str) -> Vec<Setting> {
    let settings = text.lines().enumerate().filter_map(|(i, line)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["timeout", name @ ("http-keep-alive" | "http-request" | "client"), value, ..] = words[..] else { return None };
        let own = seconds(value, 1e-3)?;
        let longer = USUAL.max(own * 4.0);
        let command = cut_off::shell(format!(
            "sed -i -E 's#^( *timeout +{name} +){value}#\\1{longer}s#' /etc/haproxy/haproxy.cfg && systemctl reload haproxy"
        ));
        let summary = format!("Let HAProxy of {host} keep idle connections for {longer} s, longer than its clients use them");
        let fix = Fix { summary, patch: vec![Change::Run { host: host.to_owned(), command }] };
        Some(Setting { seconds: own, cited: model.evidence.services.cite(host, "haproxy.cfg", i + 1, line.trim()), fix })
    });
    settings.collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"machine client 10.80.1.10/24
        machine app 10.80.1.20/24 listens 0.0.0.0:80
        request from=host/client hop=client method=GET path=/ status=200 seconds=0.4 upstream=app.example.test:80 address=10.80.1.20:80 id=a at=-9.9 x20
        request from=host/client hop=client method=GET path=/s seconds=5.01 error="reset: closed" upstream=app.example.test:80 address=10.80.1.20:80 id=b at=-9.8 x10"#;

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nfile services/app/nginx.conf.txt | http {{ | keepalive_timeout 5s; | }}\n=> server-idle-timeout host/app"
        ));
        check(&format!(
            "{WORLD}\nfile services/app/haproxy.cfg.txt | defaults | timeout http-keep-alive 5000\n=> server-idle-timeout host/app"
        ));
    }

    #[test]
    fn twins_another_number_and_at_once() {
        check(&format!(
            "{WORLD}\nfile services/app/nginx.conf.txt | http {{ | keepalive_timeout 75s; | }}\n=> unknown"
        ));
        let at_once = WORLD.replace("seconds=5.01", "seconds=0.01");
        check(&format!(
            "{at_once}\nfile services/app/nginx.conf.txt | http {{ | keepalive_timeout 5s; | }}\n=> unknown"
        ));
    }

    #[test]
    fn twin_silence() {
        let silent = WORLD.replace("reset: closed", "timeout: no answer");
        check(&format!(
            "{silent}\nfile services/app/nginx.conf.txt | http {{ | keepalive_timeout 5s; | }}\n=> unknown"
        ));
    }

    #[test]
    fn unknown_without_the_setting() {
        check(&format!("{WORLD}\n=> unknown lacks services/app/nginx.conf.txt"));
    }
}
