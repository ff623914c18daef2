//! PostgreSQL has no rule that lets this client in, or one that turns it away.
//!
//! # What it looks like
//! The connection is made, and the server answers at once `no pg_hba.conf entry for host "...", user "...", database "..."` or
//! `pg_hba.conf rejects connection` (SQLSTATE 28000). The password was never asked for; clients at other addresses may work.
//!
//! # Confirm by hand
//! `table pg_hba_file_rules` on the server, read from the top: the first rule that fits address, user and database decides. The table is what the
//! file says now; what the server goes by is what it read when it was reloaded last, if that had no error.
//!
//! # Fix
//! Add a rule for this client (`host DATABASE USER ADDRESS/32 scram-sha-256`) before the one that turns it away, and reload. Where the
//! file is right already, reloading is all.
//!
//! # Who acts
//! The administrator of the database.
//!
//! # Source
//! PostgreSQL, The pg_hba.conf File; errcodes, 28000 `invalid_authorization_specification`.

use super::{
    Case, Cause, Finding, State, postgres,
    postgres::Refused,
    postgres_hba::{Decision, Visitor, decide},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::Citation,
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct PostgresAccessRule;

const WORDS: [&str; 2] = ["no pg_hba.conf entry for host", "pg_hba.conf rejects connection for host"];

impl Cause for PostgresAccessRule {
    fn id(&self) -> &'static str {
        "postgres-access-rule"
    }

    fn source(&self) -> &'static str {
        include_str!("postgres_access_rule.rs")
    }

    fn owner(&self) -> &'static str {
        "database"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let finding = |(host, refused): (&str, Vec<Refused<'_>>)| Finding {
            subject: case.model.evidence.machine(host),
            effects: refused.iter().map(|refused| (refused.connection.subject(), Mode::Errors)).collect(),
            state: all(case.model, host, &refused),
        };
        // 28000 alone is the code of other refusals as well.
        postgres::refused(case.model, &[], &WORDS).into_iter().map(finding).collect()
    }
}

fn all(model: &Model<'_>, host: &str, refused: &[Refused<'_>]) -> State {
    let mut evidence: Vec<Citation> = Vec::new();
    let mut wanted: Vec<String> = Vec::new();
    let mut reload = false;
    for refused in refused {
        let text = refused.text;
        let parts =
            (postgres::quoted(text, "host"), postgres::quoted(text, "user"), postgres::quoted(text, "database"));
        let (Some(address), Some(user), Some(database)) = parts else {
            return State::excluded("the refusal does not say whom it is about", vec![refused.attempt.cited.clone()]);
        };
        let Ok(address) = address.parse() else {
            return State::excluded("the refusal names no address", vec![refused.attempt.cited.clone()]);
        };
        let visitor = Visitor { address, user, database };
        let decision = match decide(model, host, &visitor, !text.contains("no encryption") && !text.contains("SSL off"))
        {
            Ok(decision) => decision,
            Err(lack) => return State::Undecided(vec![lack]),
        };
        evidence.push(refused.attempt.cited.clone());
        match decision {
            Decision::None(cited) => evidence.push(cited),
            Decision::Fits(method, cited) if method == "reject" => evidence.push(cited),
            // What lets it in is in the file, and not yet in the server.
            Decision::Fits(_, cited) | Decision::Unclear(cited) => {
                evidence.push(cited);
                reload = true;
                continue;
            }
            Decision::Faulty(cited) => {
                evidence.push(cited);
                let summary =
                    format!("Correct pg_hba.conf of {host} and reload: the server goes by what it read before");
                return State::holds(evidence, Fix { summary, patch: vec![] });
            }
        }
        let rule = format!(
            r#"host "{database}" "{user}" {address}/{} scram-sha-256"#,
            if address.is_ipv4() { 32 } else { 128 }
        );
        if !wanted.contains(&rule) {
            wanted.push(rule);
        }
    }
    let load = "psql -U postgres -c 'select pg_reload_conf()'";
    let script = match wanted.is_empty() {
        true => load.to_owned(),
        false => {
            let rules = wanted.join("\\n");
            format!("sed -i '1i {rules}' \"$(psql -U postgres -Atc 'show hba_file')\" && {load}")
        }
    };
    let summary = match (wanted.is_empty(), reload) {
        (true, _) => format!("Reload PostgreSQL on {host}: its file has the rule already"),
        (false, _) => format!("Add to pg_hba.conf of {host}, and reload: {}", wanted.join("; ")),
    };
    State::holds(evidence, Fix { summary, patch: vec![Change::shell(host, script)] })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
         machine db 10.80.1.30/24  listens 0.0.0.0:5432
         probe host/client -> postgres://db.example.test/x  failed in 5ms  at 10.80.1.30:5432  says FATAL: 28000 no pg_hba.conf entry for host \"10.80.1.10\", user \"app\", database \"x\", no encryption";

    #[test]
    fn holds_where_no_rule_fits() {
        check(&format!(
            "{WORLD}
             table services/db/hba.txt | line_number type database user_name address netmask auth_method | 1 local {{all}} {{all}} ~ ~ trust | 2 host {{all}} {{all}} 10.80.2.0 255.255.255.0 scram-sha-256 | 3 hostssl {{all}} {{all}} all ~ scram-sha-256
             => postgres-access-rule host/db"
        ));
    }

    #[test]
    fn holds_where_one_turns_it_away() {
        check(&format!(
            "{}
             table services/db/hba.txt | line_number type database user_name address netmask auth_method | 1 host {{x}} {{app}} 10.80.1.10 255.255.255.255 reject | 2 host {{all}} {{all}} all ~ md5
             => postgres-access-rule host/db",
            WORLD.replace("no pg_hba.conf entry for", "pg_hba.conf rejects connection for")
        ));
    }

    #[test]
    fn twin_the_password_is_refused() {
        check(&format!(
            "{}
             table services/db/hba.txt | line_number type database user_name address netmask auth_method | 2 host {{all}} {{all}} all ~ md5
             file hosts/db/journal-postgresql.txt | 2026-01-01T11:59:59+0000 db postgres[9]: FATAL:  password authentication failed for user \"app\"
             table services/db/roles.txt | rolname rolcanlogin rolvaliduntil has_password | app t ~ t
             table services/db/activity.txt | pid usename client_addr state backend_start | 7 app 10.80.1.20 idle 2026-01-01~12:00:00+00
             => postgres-wrong-password host/client",
            WORLD.replace("28000 no pg_hba.conf entry for host \"10.80.1.10\", user \"app\", database \"x\", no encryption", "28P01 password authentication failed for user \"app\"")
        ));
    }

    #[test]
    fn unknown_without_the_rules() {
        check(&format!("{WORLD}\n=> unknown lacks services/db/hba.txt"));
    }
}
