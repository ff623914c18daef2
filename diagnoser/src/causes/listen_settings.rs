//! Where a server's own configuration says on which address and port it listens, and the change that has it listen elsewhere:
//! nginx's `listen` (`nginx -T`, which names its files) and MongoDB's `net.bindIp` and `net.port`.
//!
//! Source: nginx.org, ngx_http_core_module, "listen"; MongoDB Manual, Configuration File Options, "net Options" (the packages'
//! file is /etc/mongod.conf).

use std::net::IpAddr;

use super::{cut_off::quoted, listening, nginx};
use crate::{
    diagnosis::Change,
    evidence::{Citation, Listener},
    model::Model,
};

/// Where the server should listen.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    /// For others as well, who ask for this address.
    Others(IpAddr),
    /// On this port.
    Port(u16),
}

/// A place in a configuration that decides where a server listens.
struct Setting {
    cited: Citation,
    /// The file that the server reads.
    file: String,
    /// The setting as it is written, and as it should be.
    from: String,
    to: String,
}

/// The setting that made a socket, and the change that makes the one that is wanted; none where the server's configuration was not
/// collected, does not say it, or no service is known to run the server.
pub(super) fn change(model: &Model<'_>, host: &str, socket: &Listener, wanted: Wanted) -> Option<(Citation, Change)> {
    let found = match socket.process.as_deref()? {
        "nginx" => of_nginx(model, host, socket, wanted),
        "mongod" => of_mongod(model, host, socket, wanted),
        _ => None,
    }?;
    let unit = listening::service_of(model, host, socket)?;
    let Setting { cited, file, from, to } = found;
    let plain = |text: &str| !text.contains(['\'', '#', '&', '\\', '\n']);
    if ![&file, &from, &to].into_iter().all(|text| plain(text)) || file.contains(char::is_whitespace) {
        return None;
    }
    let script = format!("sed -i -E 's#{}#{to}#' {file} && systemctl restart {unit}", quoted(&from));
    Some((cited, Change::shell(host, script)))
}

fn of_nginx(model: &Model<'_>, host: &str, socket: &Listener, wanted: Wanted) -> Option<Setting> {
    const NAME: &str = "nginx.conf";
    const FILE: &str = "# configuration file ";
    let text = model.evidence.services.text(host, NAME).seen()?;
    let directives = nginx::parse(text);
    let made_it = |directive: &&nginx::Directive| {
        let (address, port) = directive.words.get(1).and_then(|word| endpoint(word))?;
        (port == socket.port && is(address, socket)).then_some(())
    };
    let listen = nginx::all(&directives, "listen").into_iter().find(|directive| made_it(directive).is_some())?;
    let before = &text[..listen.start];
    let file = before.rfind(FILE).map(|at| &before[at + FILE.len()..]).and_then(|rest| rest.lines().next())?;
    let from = text.get(listen.start..listen.end)?;
    let word = listen.words.get(1)?;
    let to = match (wanted, word.rsplit_once(':')) {
        (Wanted::Others(address), _) if address.is_ipv6() => format!("[::]:{}", socket.port),
        (Wanted::Others(_), _) => socket.port.to_string(),
        (Wanted::Port(port), Some((address, _))) => format!("{address}:{port}"),
        (Wanted::Port(port), None) => port.to_string(),
    };
    let line = before.matches('\n').count() + 1;
    Some(Setting {
        cited: model.evidence.services.cite(host, NAME, line, listen.says()),
        file: file.trim_end().trim_end_matches(':').to_owned(),
        from: from.to_owned(),
        to: from.replacen(word, &to, 1),
    })
}

fn of_mongod(model: &Model<'_>, host: &str, socket: &Listener, wanted: Wanted) -> Option<Setting> {
    const NAME: &str = "mongod.conf";
    let text = model.evidence.services.text(host, NAME).seen()?;
    let mut of_net = text.lines().enumerate().skip_while(|(_, line)| line.trim_end() != "net:").skip(1);
    let net: Vec<(usize, &str)> = of_net.by_ref().take_while(|(_, line)| line.starts_with([' ', '\t'])).collect();
    let value = |key: &str| {
        let mut lines = net.iter().map(|(at, line)| (*at, line.trim()));
        lines.find_map(|(at, line)| Some((at, line, line.strip_prefix(key)?.strip_prefix(':')?.trim())))
    };
    let port = value("port").map_or(Some(27017), |(.., port)| port.parse().ok())?;
    if port != socket.port {
        return None;
    }
    let (at, from, to) = match wanted {
        Wanted::Port(port) => value("port").map(|(at, from, _)| (at, from, format!("port: {port}")))?,
        Wanted::Others(address) => {
            let (at, from, bound) = value("bindIp")?;
            bound.split(',').any(|word| is_address(word.trim(), socket)).then_some(())?;
            (at, from, format!("bindIp: {bound},{address}"))
        }
    };
    let cited = model.evidence.services.cite(host, NAME, at + 1, from);
    Some(Setting { cited, file: "/etc/mongod.conf".to_owned(), from: from.to_owned(), to })
}

/// What nginx's `listen` means: an address, where one is written, and a port, which is 80 by default; none for another socket.
fn endpoint(word: &str) -> Option<(Option<&str>, u16)> {
    if word.starts_with("unix:") {
        return None;
    }
    if let Ok(port) = word.parse() {
        return Some((None, port));
    }
    match word.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((address, port)) => Some((Some(address), port.parse().ok()?)),
        None => Some((Some(word), 80)),
    }
}

fn is(address: Option<&str>, socket: &Listener) -> bool {
    let all = |word: &str| matches!(word, "*" | "0.0.0.0" | "[::]");
    match address {
        Some(word) if !all(word) => is_address(word, socket),
        _ => all(&socket.address),
    }
}

fn is_address(word: &str, socket: &Listener) -> bool {
    let bare = |text: &str| text.trim_matches(['[', ']']).to_owned();
    word == "localhost" && socket.is_loopback() || bare(word) == bare(&socket.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listens(address: &str, port: u16) -> Listener {
        Listener { address: address.to_owned(), port, process: None, line: 1 }
    }

    #[test]
    fn what_listen_means() {
        assert_eq!(endpoint("8080"), Some((None, 8080)));
        assert_eq!(endpoint("127.0.0.1:81"), Some((Some("127.0.0.1"), 81)));
        assert_eq!(endpoint("[::1]:81"), Some((Some("[::1]"), 81)));
        assert_eq!(endpoint("[::1]"), Some((Some("[::1]"), 80)));
        assert_eq!(endpoint("localhost"), Some((Some("localhost"), 80)));
        assert_eq!(endpoint("unix:/run/x.sock"), None);
        assert!(is(None, &listens("0.0.0.0", 80)) && !is(None, &listens("127.0.0.1", 80)));
        assert!(is(Some("localhost"), &listens("127.0.0.1", 80)) && is(Some("[::1]"), &listens("[::1]", 80)));
    }
}
