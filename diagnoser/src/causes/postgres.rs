//! What the causes of PostgreSQL share: its refusals in words, and what it says of itself in `services/<machine>/`.
//!
//! Source of words and codes: PostgreSQL, src/backend/utils/errcodes.txt; they reach the client and the server's own log alike.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;

use super::Lack;
use crate::{
    connections::{Attempt, Connection},
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Row, Table},
    model::Model,
};

/// A connection that a server of PostgreSQL refuses in words.
pub(super) struct Refused<'m> {
    pub connection: &'m Connection,
    pub attempt: &'m Attempt,
    /// The words.
    pub text: &'m str,
}

/// The connections refused with this code (SQLSTATE) or these words, by the machine that refuses.
pub(super) fn refused<'m>(model: &'m Model<'_>, codes: &[&str], words: &[&str]) -> BTreeMap<&'m str, Vec<Refused<'m>>> {
    let mut found: BTreeMap<&str, Vec<Refused<'_>>> = BTreeMap::new();
    for connection in model.connections() {
        let Some(host) = connection.host(model) else { continue };
        let attempt = connection
            .failing()
            .into_iter()
            .rfind(|attempt| attempt.in_words && attempt.text.as_deref().is_some_and(|text| says(text, codes, words)));
        if let Some(attempt) = attempt {
            let text = attempt.text.as_deref().unwrap_or_default();
            found.entry(host).or_default().push(Refused { connection, attempt, text });
        }
    }
    found
}

/// Whether a message of PostgreSQL has one of these codes, or one of these wordings of it.
pub(super) fn says(text: &str, codes: &[&str], words: &[&str]) -> bool {
    let of_server = ["FATAL", "ERROR", "PANIC", "SQLSTATE"].iter().any(|severity| text.contains(severity));
    let coded = text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| codes.contains(&word));
    of_server && (coded || words.iter().any(|words| text.contains(words)))
}

/// What stands in quotation marks behind a word: `role "app"`.
pub(super) fn quoted<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let start = text.find(&format!("{word} \""))? + word.len() + 2;
    text[start..].split('"').next()
}

/// The unit that the server runs as.
pub(super) fn unit(model: &Model<'_>, host: &str) -> String {
    let journals = model.evidence.hosts.fact_names(host).filter_map(|fact| fact.strip_prefix("journal-"));
    let listed = model.evidence.hosts.units(host).seen().unwrap_or_default();
    let units = listed.iter().filter(|unit| unit.runs()).map(|unit| unit.name.trim_end_matches(".service"));
    let found = journals.chain(units).filter(|unit| unit.starts_with("postgres"));
    // Debian has a unit of its own for each cluster, and one that only stands for them all.
    found.max_by_key(|unit| unit.contains('@')).unwrap_or("postgresql").to_owned()
}

/// Statements that the superuser runs on the server's machine.
pub(super) fn sql(host: &str, statements: &[String]) -> Change {
    let options = statements.iter().flat_map(|statement| ["-c".to_owned(), statement.clone()]);
    let command = ["psql", "-U", "postgres"].map(str::to_owned).into_iter().chain(options).collect();
    Change::Run { host: host.to_owned(), command }
}

/// A value in quotation marks of SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a server says of itself in one table, with these columns at least.
pub(super) fn table(model: &Model<'_>, host: &str, name: &str, columns: &[&str]) -> Result<Table, Lack> {
    match model.evidence.services.table(host, name) {
        Fact::Missed(why) => Err(lack(model, host, name, why)),
        Fact::Seen(table) => match columns.iter().find(|column| !table.columns.iter().any(|there| there == *column)) {
            Some(column) => Err(lack(model, host, name, format!("no column `{column}` in it"))),
            None => Ok(table),
        },
    }
}

/// That one of these tables is not to be had.
pub(super) fn lack(model: &Model<'_>, host: &str, name: &str, why: String) -> Lack {
    Lack {
        what: model.evidence.services.file(host, name),
        why,
        how: format!("psql -U postgres -c '{}'   on {host}", statement(name)),
        request: None,
    }
}

fn statement(name: &str) -> &'static str {
    match name {
        "activity" => "select *, pg_blocking_pids(pid) as blocked_by from pg_stat_activity",
        "hba" => "table pg_hba_file_rules",
        "roles" => "select *, rolpassword is not null as has_password from pg_authid",
        _ => "select name, setting, source, sourcefile from pg_settings",
    }
}

/// A number among the server's settings.
pub(super) fn setting(settings: &Table, name: &str) -> Option<(usize, usize)> {
    let (value, line) = settings.find("name", name, "setting")?;
    Some((value.parse().ok()?, line))
}

/// The setting by which a server listens where it does, and how it is set to listen for all; `None` where it is not this server
/// that has the port, or it says that it listens for more than its own machine.
pub(super) fn listening(model: &Model<'_>, host: &str, port: u16) -> Option<(Citation, Fix)> {
    let settings = table(model, host, "settings", &["name", "setting"]).ok()?;
    if setting(&settings, "port").is_some_and(|(own, _)| own != usize::from(port)) {
        return None;
    }
    let (addresses, line) = settings.find("name", "listen_addresses", "setting")?;
    let own = |address: &str| matches!(address, "localhost" | "::1") || address.starts_with("127.");
    if !addresses.split(',').map(str::trim).all(own) {
        return None;
    }
    let file =
        settings.find("name", "listen_addresses", "sourcefile").map(|(file, _)| file).filter(|file| !file.is_empty());
    let from = file.map(|file| format!(", set in {file}")).unwrap_or_default();
    let cited = model.evidence.services.cite(host, "settings", line, format!("listen_addresses = {addresses}{from}"));
    let unit = unit(model, host);
    // ALTER SYSTEM has the last word over the files; the address is taken at the start.
    let script = format!("psql -U postgres -c \"alter system set listen_addresses = '*'\" && systemctl restart {unit}");
    let summary = format!("Set listen_addresses of PostgreSQL on {host} to '*' and restart it");
    Some((cited, Fix { summary, patch: vec![Change::shell(host, script)] }))
}

/// A session of a client.
pub(super) struct Session {
    pub pid: u32,
    pub user: String,
    /// Where it comes from; `None` is the server's own machine.
    pub address: Option<IpAddr>,
    pub state: String,
    /// Whether it waits for a lock.
    pub waits: bool,
    /// Whom it waits for; 0 is a prepared transaction.
    pub blocked_by: Vec<u32>,
    pub begun: Option<Timestamp>,
    /// Since when it is in its state, as printed.
    pub since: String,
    pub query: String,
    line: usize,
}

impl Session {
    /// Where it stands.
    pub fn cite(&self, model: &Model<'_>, host: &str, says: impl Into<String>) -> Citation {
        model.evidence.services.cite(host, "activity", self.line, says)
    }

    /// `report at 10.80.3.20`
    pub fn whose(&self) -> String {
        let from = self.address.map_or_else(|| "the machine itself".to_owned(), |address| address.to_string());
        format!("{} at {from}", self.user)
    }
}

/// The sessions of clients, as `pg_stat_activity` has them.
pub(super) fn sessions(model: &Model<'_>, host: &str, columns: &[&str]) -> Result<Vec<Session>, Lack> {
    let needed: Vec<&str> = ["pid", "usename", "client_addr", "state"].iter().chain(columns).copied().collect();
    let table = table(model, host, "activity", &needed)?;
    let of_client = |row: &&Row| match table.get(row, "backend_type") {
        Some(kind) => kind == "client backend",
        None => table.get(row, "usename").is_some_and(|user| !user.is_empty()),
    };
    let session = |row: &Row| {
        let text = |column: &str| table.get(row, column).unwrap_or_default().to_owned();
        let blockers = text("blocked_by");
        let blockers = blockers.trim_matches(['{', '}']).split(',').filter_map(|pid| pid.trim().parse().ok());
        Some(Session {
            pid: text("pid").parse().ok()?,
            user: text("usename"),
            address: text("client_addr").split('/').next().and_then(|address| address.parse().ok()),
            state: text("state"),
            waits: text("wait_event_type") == "Lock",
            blocked_by: blockers.collect(),
            begun: text("backend_start").parse().ok(),
            since: text("state_change"),
            query: text("query"),
            line: row.line,
        })
    };
    Ok(table.rows.iter().filter(of_client).filter_map(session).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_in_the_servers_own_messages_only() {
        assert!(says("FATAL: 53300 sorry, too many clients already", &["53300"], &[]));
        assert!(says(
            "psql: error: FATAL:  sorry, too many clients already",
            &["53300"],
            &["too many clients already"]
        ));
        assert!(!says("offset 53300 is out of range", &["53300"], &["too many clients already"]));
        assert_eq!(quoted("FATAL: role \"app\" does not exist", "role"), Some("app"));
        assert_eq!(literal("o'hara"), "'o''hara'");
    }

    #[test]
    fn times_as_psql_prints_them() {
        assert!("2026-11-24 14:40:00.123456+00".parse::<Timestamp>().is_ok());
    }
}
