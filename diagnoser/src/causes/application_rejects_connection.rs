//! An application accepts connections and closes them without an answer, because its configuration says so for whoever asks.
//!
//! # What it looks like
//! From some addresses every request ends as soon as it is sent (reset, `empty reply from server`), from others none does. The
//! server's own log has the request: nginx writes status 444, which no client ever sees; TCP wrappers write `refused connect from`.
//!
//! # Confirm by hand
//! On the server: `tail /var/log/nginx/access.log` while it happens, `nginx -T | grep -B3 444` and the list that the condition
//! looks up (`geo`, `map`); `journalctl | grep 'refused connect'`, `/etc/hosts.deny`. Mind that the server sees the address that
//! the last router or proxy gives the client.
//!
//! # Fix
//! Take the address off the list, or let the condition speak of whom it means; then `nginx -t && systemctl reload nginx`.
//!
//! # Who acts
//! The owner of the application's configuration, with whoever keeps the list (often network security).
//!
//! # Source
//! nginx.org, ngx_http_rewrite_module, `return` (code 444), ngx_http_geo_module; hosts_access(5).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Case, Cause, Finding, Lack, State,
    cut_off::{self, Configuration, Cut, is_client, logged_by, quoted, shell},
    nginx::{Directive, all},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, RequestRecord},
    model::Model,
};

/// See the module's comment.
pub struct ApplicationRejectsConnection;

/// nginx's code for a connection that is closed without an answer.
const CLOSED: u16 = 444;
/// TCP wrappers.
const REFUSED: &str = "refused connect from ";

impl Cause for ApplicationRejectsConnection {
    fn id(&self) -> &'static str {
        "application-rejects-connection"
    }

    fn source(&self) -> &'static str {
        include_str!("application_rejects_connection.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        cut_off::examine(case.model, examine)
    }
}

fn examine(model: &Model<'_>, cut: &Cut<'_>) -> State {
    if let Some((line, fact, address)) = wrapped(model, cut) {
        let summary = format!("Let {} serve {address}: take it out of /etc/hosts.deny", cut.host);
        let mut evidence = vec![Hosts::cite(cut.host, &fact, line, format!("{REFUSED}{address}"))];
        evidence.extend(cut.cites());
        return State::holds(evidence, Fix { summary, patch: vec![] });
    }
    if !cut.may_be("nginx") {
        let cited = Citation::new(Hosts::file(cut.host, "ss"), "", "another program listens");
        return State::excluded(format!("{} does not log that it closes them", cut.host), vec![cited]);
    }
    let own = |record: &RequestRecord| logged_by(record).is_some_and(|host| host == cut.host);
    let mut logged = model.evidence.traffic.iter().filter(|record| own(record)).peekable();
    if logged.peek().is_none() {
        return State::Undecided(vec![Lack {
            what: format!("requests logged by host/{} in traffic.jsonl", cut.host),
            why: "it has none of them".to_owned(),
            how: format!("tail -n 100 /var/log/nginx/access.log   on {}", cut.host),
            request: None,
        }]);
    }
    let address = |record: &RequestRecord| record.client.as_deref().and_then(|client| client.parse::<IpAddr>().ok());
    let closed = model.evidence.traffic.iter().enumerate().rev().find(|(_, record)| {
        own(record)
            && record.status == Some(CLOSED)
            && address(record).is_none_or(|address| is_client(model, cut.connection, address))
    });
    let Some((line, record)) = closed else {
        let cited = Citation::new("traffic.jsonl", "", format!("no request with {CLOSED} at {}", cut.host));
        return State::excluded(format!("{} did not close them on purpose", cut.host), vec![cited]);
    };
    let from = record.client.clone().unwrap_or_default();
    let mut evidence = vec![Citation::line(
        "traffic.jsonl",
        line + 1,
        format!("{} from {from}: {CLOSED} at {}", record.what(), cut.host),
    )];
    let fix = fix(model, cut, &from, &mut evidence);
    evidence.extend(cut.cites());
    State::holds(evidence, fix)
}

/// Where TCP wrappers say that they have refused this client.
fn wrapped(model: &Model<'_>, cut: &Cut<'_>) -> Option<(usize, String, String)> {
    let hosts = &model.evidence.hosts;
    hosts.fact_names(cut.host).filter(|fact| fact.starts_with("journal")).find_map(|fact| {
        let lines = hosts.journal_file(cut.host, fact).seen()?;
        lines.iter().rev().find_map(|line| {
            let address = line.message.split_once(REFUSED)?.1.split([' ', '(']).next()?;
            let known = is_client(model, cut.connection, address.parse::<IpAddr>().ok()?);
            known.then(|| (line.line, fact.to_owned(), address.to_owned()))
        })
    })
}

/// Takes the address off the list by which a condition chooses, where it is such a list.
fn fix(model: &Model<'_>, cut: &Cut<'_>, from: &str, evidence: &mut Vec<Citation>) -> Fix {
    let summary = format!("Let nginx of {} answer {from}", cut.host);
    let nothing = |why: &str| Fix { summary: format!("{summary}: {why}"), patch: vec![] };
    let Fact::Seen(configuration) = Configuration::of(model, cut.host) else {
        return nothing("look for what returns 444 in its configuration");
    };
    let conditions = all(&configuration.directives, "if");
    let closing = conditions.into_iter().find(|condition| condition.block.iter().any(closes));
    let Some(closing) = closing else { return nothing("its name or address matches no other server of it") };
    evidence.push(configuration.cite(model, closing));
    let variable = closing.words.iter().find_map(|word| {
        let word = word.trim_matches(['(', ')']);
        word.starts_with('$').then_some(word)
    });
    let lists = all(&configuration.directives, "geo").into_iter().chain(all(&configuration.directives, "map"));
    let list = lists.into_iter().find(|list| list.words.last().map(String::as_str) == variable);
    let Some(entry) = list.and_then(|list| entry(list, from)) else {
        return nothing("its condition for 444 is about it");
    };
    evidence.push(configuration.cite(model, entry));
    let words: Vec<String> = entry.words.iter().map(|word| quoted(word)).collect();
    let (words, file) = (words.join(" +"), configuration.file(entry));
    let command = shell(format!("sed -i -E '\\#^ *{words};#d' {file} && systemctl reload nginx"));
    Fix {
        summary: format!("{summary}: take `{}` off the list in {file}", entry.says()),
        patch: vec![Change::Run { host: cut.host.to_owned(), command }],
    }
}

fn closes(directive: &Directive) -> bool {
    directive.name() == "return" && directive.words.get(1).is_some_and(|code| *code == CLOSED.to_string())
}

/// The narrowest entry of a list that an address falls under.
fn entry<'d>(list: &'d Directive, address: &str) -> Option<&'d Directive> {
    let address: IpAddr = address.parse().ok()?;
    let net = |entry: &Directive| -> Option<IpNet> {
        let word = entry.name();
        word.parse::<IpNet>().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
    };
    let meant = list.block.iter().filter_map(|entry| Some((net(entry).filter(|net| net.contains(&address))?, entry)));
    meant.max_by_key(|(net, _)| net.prefix_len()).map(|(_, entry)| entry)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"machine client 10.80.1.10/24
        machine app 10.80.1.20/24
        file hosts/app/ss.txt | LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=175,fd=4))
        file hosts/app/journal-nginx.txt | 2026-11-24T14:42:52+00:00 app systemd[1]: Started nginx.service - A server.
        request from=host/client hop=client method=GET path=/ error="failed: connection closed before message completed" seconds=0.01 upstream=app.example.test:80 address=10.80.1.20:80 id=b at=-3 x5"#;
    const LOG: &str = "request from=host/app hop=app method=GET path=/ status=444 seconds=0 client=10.80.1.10 at=-3 x5";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{LOG}\n=> application-rejects-connection host/app"));
    }

    #[test]
    fn holds_by_tcp_wrappers() {
        let ssh = WORLD.replace("nginx.service", "ssh.service").replace("nginx", "sshd").replace(
            "A server.",
            "A server. | 2026-11-24T14:42:53+00:00 app sshd[9]: refused connect from 10.80.1.10 (10.80.1.10)",
        );
        check(&format!("{ssh}\n=> application-rejects-connection host/app"));
    }

    #[test]
    fn the_fix_takes_the_address_off_the_list() {
        let conf = "file services/app/nginx.conf.txt | # configuration file /etc/nginx/nginx.conf: | http { | server { if ($listed) { return 444; } } | } | # configuration file /etc/nginx/listed.conf: | geo $listed { default 0; 10.80.0.0/16 0; 10.80.1.0/24 1; }";
        let diagnosis = crate::sketch::diagnose(crate::sketch::evidence(&format!("{WORLD}\n{LOG}\n{conf}")));
        let patch = format!("{:?}", diagnosis.root_causes[0].fix.patch);
        assert!(patch.contains("10\\\\.80\\\\.1\\\\.0/24 +1;#d' /etc/nginx/listed.conf"), "{patch}");
    }

    #[test]
    fn twins_another_client_and_another_status() {
        check(&format!("{WORLD}\n{}\n=> unknown", LOG.replace("10.80.1.10", "10.80.1.11")));
        check(&format!("{WORLD}\n{}\n=> unknown", LOG.replace("444", "200")));
    }

    #[test]
    fn unknown_without_the_servers_log() {
        check(&format!("{WORLD}\n=> unknown lacks requests logged by host/app in traffic.jsonl"));
    }
}
