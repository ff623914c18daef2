//! The processes of a host: `ps` with a heading (`ps aux`, `ps -eo pid,rss,...`), and `top -b`.

use super::{Fact, Hosts, text};

/// One process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The memory it has in use, in bytes.
    pub resident: Option<u64>,
    /// Its share of one CPU in percent: now in `top`, over its whole life in `ps`.
    pub cpu: Option<f64>,
    /// The unit of systemd that it belongs to.
    pub unit: Option<String>,
    /// Its name or command line.
    pub command: String,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Hosts {
    /// The processes of a host as `fact` (`ps`, `top`) lists them; of several rounds of `top` the last.
    pub fn processes(&self, host: &str, fact: &str) -> Fact<Vec<Process>> {
        self.parsed(host, fact, |text| {
            let found = parse(text);
            if found.is_empty() { Err("no process in it") } else { Ok(found) }
        })
    }
}

fn parse(text: &str) -> Vec<Process> {
    let mut heading: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for (line, said) in text::lines(text) {
        let words: Vec<&str> = said.split_whitespace().collect();
        let named = |name: &&&str| matches!(**name, "COMMAND" | "CMD");
        if words.contains(&"PID") && words.iter().any(|word| named(&word)) {
            heading = words.iter().map(|word| (*word).to_owned()).collect();
            found.clear();
        } else if words.len() >= heading.len() {
            found.extend(process(&heading, &words, line));
        }
    }
    found
}

fn process(heading: &[String], words: &[&str], line: usize) -> Option<Process> {
    let at = |names: &[&str]| heading.iter().position(|column| names.contains(&column.as_str()));
    let of = |names: &[&str]| at(names).and_then(|at| words.get(at)).copied();
    // Only the last column may have blanks in it.
    let command = at(&["COMMAND", "CMD"]).filter(|at| *at + 1 == heading.len())?;
    Some(Process {
        pid: of(&["PID"])?.parse().ok()?,
        resident: of(&["RSS", "RES"]).and_then(kibibytes),
        cpu: of(&["%CPU", "PCPU"]).and_then(|word| word.replace(',', ".").parse().ok()),
        unit: of(&["UNIT"]).filter(|unit| *unit != "-").map(str::to_owned),
        command: words[command..].join(" "),
        line,
    })
}

/// A number of KiB, or with one of top's letters (`1.2g`).
fn kibibytes(word: &str) -> Option<u64> {
    let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &word[number.len()..] {
        "" => 1024.0,
        "m" => 1024.0 * 1024.0,
        "g" => 1024.0 * 1024.0 * 1024.0,
        "t" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.replace(',', ".").parse().ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ps_and_top() {
        let own = parse(
            "    PID   RSS %CPU UNIT                            COMMAND\n    147 111436 0.3 api.service  workload\n 167 4232 0.0 - ps\n 9 12",
        );
        assert_eq!(own.len(), 2);
        assert_eq!(
            (own[0].pid, own[0].resident, own[0].unit.as_deref()),
            (147, Some(111_436 * 1024), Some("api.service"))
        );
        assert_eq!((own[1].unit.as_deref(), own[1].line), (None, 3));
        let aux = parse(
            "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\nroot 147 0.3 0.4 118684 111436 ? Ss 15:04 0:00 /usr/bin/x serve --y\n",
        );
        assert_eq!(aux[0].command, "/usr/bin/x serve --y");
        let top = parse(
            "top - 15:12:17 up 9:08, load average: 4.1, 1.9, 1.9\nPID USER PR NI VIRT RES SHR S %CPU %MEM TIME+ COMMAND\n1 root 20 0 4 1.5g 1 R 99,0 0.0 0:00.61 bash\n\ntop - 15:12:19\nPID USER PR NI VIRT RES SHR S %CPU %MEM TIME+ COMMAND\n80 root 20 0 4496 1732 1440 R 98.0 0.0 0:00.61 bash\n",
        );
        assert_eq!((top.len(), top[0].pid, top[0].cpu), (1, 80, Some(98.0)));
        assert!(parse("bash: ps: command not found\n").is_empty());
    }
}
