//! Who may log in to PostgreSQL, as `pg_hba_file_rules` has it: read from the top, and the first rule that fits decides.
//!
//! Source: PostgreSQL, The pg_hba.conf File.

use std::net::IpAddr;

use super::{Lack, postgres};
use crate::{
    evidence::{Citation, Row, Table},
    model::Model,
};

/// Who comes, from where, to which database.
pub(super) struct Visitor<'t> {
    pub address: IpAddr,
    pub user: &'t str,
    pub database: &'t str,
}

/// What the rules make of a visitor.
pub(super) enum Decision {
    /// The first that fits, its method, and where it stands.
    Fits(String, Citation),
    /// None fits; where the last stands.
    None(Citation),
    /// The file has an error, so that the server goes on with what it read before.
    Faulty(Citation),
    /// A rule is about what is not known here: groups, host names, files.
    Unclear(Citation),
}

/// What the rules of a server make of a visitor who comes without TLS, or with it.
pub(super) fn decide(model: &Model<'_>, host: &str, visitor: &Visitor<'_>, tls: bool) -> Result<Decision, Lack> {
    let rules = postgres::table(model, host, "hba", &["type", "database", "user_name", "address", "auth_method"])?;
    let cite = |row: &Row, says: String| model.evidence.services.cite(host, "hba", row.line, says);
    for row in &rules.rows {
        let of = |column: &str| rules.get(row, column).unwrap_or_default();
        let line = of("line_number");
        if !of("error").is_empty() {
            return Ok(Decision::Faulty(cite(row, format!("line {line}: {}", of("error")))));
        }
        let says = format!("line {line}: {}", words(&rules, row));
        let over = match of("type") {
            "host" => true,
            "hostssl" => tls,
            "hostnossl" => !tls,
            _ => false,
        };
        if !over {
            continue;
        }
        let parts = [
            named(of("database"), visitor.database, visitor.user),
            named(of("user_name"), visitor.user, ""),
            from(model, host, of("address"), of("netmask"), visitor.address),
        ];
        if parts.contains(&Some(false)) {
            continue;
        }
        return Ok(match parts.contains(&None) {
            true => Decision::Unclear(cite(row, says)),
            false => Decision::Fits(of("auth_method").to_owned(), cite(row, says)),
        });
    }
    let last = rules.rows.last();
    Ok(Decision::None(last.map_or_else(
        || Citation::new(model.evidence.services.file(host, "hba"), "", "no rule at all"),
        |row| cite(row, format!("the last of {} rules; none fits", rules.rows.len())),
    )))
}

fn words(rules: &Table, row: &Row) -> String {
    let of = |column: &&str| rules.get(row, column).unwrap_or_default().trim_matches(['{', '}']).to_owned();
    let cells = ["type", "database", "user_name", "address", "netmask", "auth_method"].iter().map(of);
    cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether `{all}`, `{orders,other}` and the like means a name; `None` where that takes more than the rules.
fn named(list: &str, name: &str, same: &str) -> Option<bool> {
    let mut unclear = false;
    for word in list.trim_matches(['{', '}']).split(',').map(|word| word.trim().trim_matches('"')) {
        match word {
            "all" => return Some(true),
            "sameuser" if !same.is_empty() && name == same => return Some(true),
            "sameuser" if !same.is_empty() => {}
            // Replication is no database, and connections for it say another thing when they are refused.
            "replication" => {}
            "samerole" | "samegroup" => unclear = true,
            word if word.starts_with(['+', '/', '@']) => unclear = true,
            word if word == name => return Some(true),
            _ => {}
        }
    }
    if unclear { None } else { Some(false) }
}

fn from(model: &Model<'_>, host: &str, address: &str, mask: &str, visitor: IpAddr) -> Option<bool> {
    match address {
        "all" => return Some(true),
        "samehost" => return Some(model.machines.addresses(host).any(|(own, _)| own == visitor)),
        "samenet" => {
            let own = model.machines.interfaces(host)?.iter().flat_map(|interface| &interface.addresses);
            return Some(own.into_iter().any(|net| net.contains(&visitor)));
        }
        _ => {}
    }
    let net = match address.parse::<IpAddr>() {
        Ok(address) => ipnet::IpNet::with_netmask(address, mask.parse().ok()?).ok()?,
        Err(_) => address.parse::<ipnet::IpNet>().ok()?,
    };
    Some(net.contains(&visitor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(named("{all}", "app", ""), Some(true));
        assert_eq!(named("{web,app}", "app", ""), Some(true));
        assert_eq!(named("{replication}", "replication", ""), Some(false));
        assert_eq!(named("{sameuser}", "app", "app"), Some(true));
        assert_eq!(named("{+staff}", "app", ""), None);
    }
}
