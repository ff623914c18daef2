//! Tables as psql prints them (aligned, `-A`, `-x`), and other clients with `|` between columns.

use super::text;

/// Rows by columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns; empty where the rows were printed without (`-t`).
    pub columns: Vec<String>,
    /// In order.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Values in the order of the columns, NULL as empty (or as the client was told to print it).
    pub cells: Vec<String>,
    /// The line in the file, from 1; with `-x` that of its first value.
    pub line: usize,
}

impl Table {
    /// The value of a column in a row.
    pub fn get<'t>(&self, row: &'t Row, column: &str) -> Option<&'t str> {
        let at = self.columns.iter().position(|name| name == column)?;
        row.cells.get(at).map(String::as_str)
    }

    /// The value of a column in the first row whose `key` is `is`, with its line: `find("name", "max_connections", "setting")`.
    pub fn find(&self, key: &str, is: &str, column: &str) -> Option<(&str, usize)> {
        let row = self.rows.iter().find(|row| self.get(row, key) == Some(is))?;
        Some((self.get(row, column)?, row.line))
    }

    /// What stands beside a name in the first row that begins with it, with its line; also where columns have no names.
    pub fn beside(&self, name: &str) -> Option<(&str, usize)> {
        let row = self.rows.iter().find(|row| row.cells.first().is_some_and(|cell| cell == name))?;
        Some((row.cells.get(1)?, row.line))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbered: Vec<(usize, String)> =
            text::lines(text).map(|(line, said)| (line, said.trim_end().to_owned())).collect();
        if numbered.iter().any(|(_, said)| said.starts_with("-[ RECORD ")) {
            return Some(expanded(&numbered));
        }
        aligned(&numbered).or_else(|| unaligned(&numbered))
    }
}

/// `-----+-----`, `+----+`, and `---` of a single column.
fn is_rule(said: &str) -> bool {
    let said = said.trim();
    said.starts_with(['-', '+']) && said.contains('-') && said.chars().all(|c| c == '-' || c == '+')
}

fn is_footer(said: &str) -> bool {
    said.starts_with('(') && (said.ends_with(" row)") || said.ends_with(" rows)"))
}

fn aligned(lines: &[(usize, String)]) -> Option<Table> {
    let rule = lines.iter().position(|(_, said)| is_rule(said))?;
    // A frame begins with a rule; its heading stands between this and the next.
    let framed = lines[rule].1.trim().starts_with('+');
    let heading = if framed { rule + 1 } else { rule.checked_sub(1)? };
    let heading_line = &lines.get(heading)?.1;
    let columns = split(heading_line, framed);
    let mut table = Table { columns, rows: Vec::new() };
    let first = if framed { heading + 2 } else { rule + 1 };
    let mut continues = false;
    for (line, said) in lines.get(first..).unwrap_or_default() {
        if is_footer(said) || is_rule(said) || said.is_empty() && table.columns.len() > 1 {
            break;
        }
        let row = split(said, framed);
        if row.len() != table.columns.len() {
            continues = false;
            continue;
        }
        // A value of several lines goes on below, and says so by a `+`.
        let ended = !framed && row.iter().any(|cell| cell.ends_with('+'));
        let cleaned: Vec<String> = row
            .iter()
            .map(|cell| cell.trim_end_matches(if ended { '+' } else { '\0' }).trim_end().to_owned())
            .collect();
        if let (true, Some(last)) = (continues, table.rows.last_mut()) {
            for (cell, more) in last.cells.iter_mut().zip(cleaned).filter(|(_, more)| !more.is_empty()) {
                cell.push('\n');
                cell.push_str(&more);
            }
        } else {
            table.rows.push(Row { cells: cleaned, line: *line });
        }
        continues = ended;
    }
    Some(table)
}

fn split(said: &str, framed: bool) -> Vec<String> {
    if framed {
        let inside = said.trim().trim_start_matches('|');
        return inside.strip_suffix('|').unwrap_or(inside).split('|').map(|cell| cell.trim().to_owned()).collect();
    }
    said.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The first line is the heading where a footer says how many rows there are besides; else (`-t`) it is a row.
fn unaligned(lines: &[(usize, String)]) -> Option<Table> {
    let rows: Vec<(usize, Vec<String>)> = lines
        .iter()
        .take_while(|(_, said)| !is_footer(said))
        .filter(|(_, said)| !said.is_empty())
        .map(|(line, said)| (*line, said.split('|').map(|cell| cell.trim().to_owned()).collect()))
        .collect();
    let width = rows.first()?.1.len();
    let footer = lines.iter().any(|(_, said)| is_footer(said));
    if width < 2 && !footer {
        return None;
    }
    let mut rows = rows.into_iter().filter(|(_, cells)| cells.len() == width);
    let columns = if footer { rows.next()?.1 } else { Vec::new() };
    Some(Table { columns, rows: rows.map(|(line, cells)| Row { cells, line }).collect() })
}

fn expanded(lines: &[(usize, String)]) -> Table {
    let mut table = Table::default();
    let mut fresh = false;
    for (line, said) in lines {
        if said.starts_with("-[ RECORD ") {
            fresh = true;
            continue;
        }
        let Some((name, value)) = said.split_once('|') else { continue };
        let (name, value) = (name.trim().to_owned(), value.trim().trim_end_matches('+').trim_end().to_owned());
        if fresh {
            table.rows.push(Row { cells: Vec::new(), line: *line });
            fresh = false;
        }
        let Some(row) = table.rows.last_mut() else { continue };
        if name.is_empty() {
            if let Some(cell) = row.cells.last_mut() {
                cell.push('\n');
                cell.push_str(&value);
            }
            continue;
        }
        if !table.columns.contains(&name) {
            table.columns.push(name.clone());
        }
        let at = table.columns.iter().position(|column| *column == name).unwrap_or_default();
        while row.cells.len() <= at {
            row.cells.push(String::new());
        }
        row.cells[at] = value;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const ALIGNED: &str = "          name           | setting |    note
-------------------------+---------+------------
 max_connections         | 100     |
 shared_buffers          | 16384   | two       +
                         |         | lines
 work_mem                | 4096    | x
(3 rows)

";
    const UNALIGNED: &str = "name|setting\nmax_connections|100\nwork_mem|\n(2 rows)\n";
    const EXPANDED: &str = "-[ RECORD 1 ]----+------------
pid              | 812
state            | idle in transaction
wait_event       | 
-[ RECORD 2 ]----+------------
pid              | 813
state            | active
";
    const FRAMED: &str = "+-----------------+-------+
| Variable_name   | Value |
+-----------------+-------+
| max_connections | 151   |
| empty           |       |
+-----------------+-------+
2 rows in set (0.00 sec)
";
    const SINGLE: &str = " count
-------
    42
(1 row)
";

    #[test]
    fn forms() {
        let table = Table::parse(ALIGNED).unwrap();
        assert_eq!(table.columns, ["name", "setting", "note"]);
        assert_eq!(table.find("name", "max_connections", "setting"), Some(("100", 3)));
        assert_eq!(table.find("name", "max_connections", "note"), Some(("", 3)));
        assert_eq!(table.find("name", "shared_buffers", "note"), Some(("two\nlines", 4)));
        assert_eq!((table.rows.len(), table.rows[2].line), (3, 6));
        let table = Table::parse(UNALIGNED).unwrap();
        assert_eq!(table.find("name", "work_mem", "setting"), Some(("", 3)));
        let table = Table::parse(EXPANDED).unwrap();
        assert_eq!(table.find("pid", "812", "state"), Some(("idle in transaction", 2)));
        assert_eq!((table.rows.len(), table.rows[1].line), (2, 6));
        let table = Table::parse(FRAMED).unwrap();
        assert_eq!(table.find("Variable_name", "max_connections", "Value"), Some(("151", 4)));
        assert_eq!(table.find("Variable_name", "empty", "Value"), Some(("", 5)));
        let table = Table::parse(SINGLE).unwrap();
        assert_eq!(
            (table.columns.as_slice(), table.rows[0].cells.as_slice()),
            (&["count".to_owned()][..], &["42".to_owned()][..])
        );
        let table = Table::parse("max_connections|100|Int\nwork_mem|4096|\n").unwrap();
        assert_eq!((table.rows.len(), table.beside("max_connections")), (2, Some(("100", 1))));
        assert_eq!(Table::parse("psql: error: connection refused\n"), None);
    }

    #[test]
    fn stands() {
        // Whether the first line is a heading is known by what follows it; until then it has no columns.
        let rows = |text: &str| {
            let table = Table::parse(text).unwrap_or_default();
            let rows = table.rows.into_iter().filter(|_| !table.columns.is_empty());
            rows.map(|row| row.line).collect::<Vec<_>>()
        };
        trials::stands(&[ALIGNED, UNALIGNED, FRAMED, SINGLE, EXPANDED], rows);
    }
}
