//! How busy a host is: `uptime`, `/proc/loadavg`, the head of `top`, and how many CPUs it has.

use super::{Fact, Hosts, text};

/// Averages of the processes that run or wait for a CPU or the disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Over one minute.
    pub one: f64,
    /// Over five.
    pub five: f64,
    /// Over fifteen.
    pub fifteen: f64,
    /// Seconds since the machine started, where printed (uptime counts minutes).
    pub up: Option<u64>,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Hosts {
    /// The load of a host (fact `uptime`, else `loadavg`, else `top`), and the fact that said so.
    pub fn load(&self, host: &str) -> Fact<(Load, &'static str)> {
        let mut missed = None;
        for fact in ["uptime", "loadavg", "top"] {
            match self.parsed(host, fact, |text| {
                text::lines(text).find_map(|(line, said)| load(line, &said)).ok_or("no load in it")
            }) {
                Fact::Seen(load) => return Fact::Seen((load, fact)),
                Fact::Missed(why) => missed = missed.or(Some(why)),
            }
        }
        Fact::Missed(missed.unwrap_or_default())
    }

    /// How many CPUs a host has (fact `nproc`, else `lscpu`, else `cpuinfo`), with the fact and the line that say so.
    pub fn cpus(&self, host: &str) -> Fact<(u64, &'static str, usize)> {
        let mut missed = None;
        for fact in ["nproc", "lscpu", "cpuinfo"] {
            match self.parsed(host, fact, |text| cpus(text).ok_or("no number of CPUs in it")) {
                Fact::Seen((count, line)) => return Fact::Seen((count, fact, line)),
                Fact::Missed(why) => missed = missed.or(Some(why)),
            }
        }
        Fact::Missed(missed.unwrap_or_default())
    }
}

/// `... load average: 26.11, 24.73, 16.69` (also with a comma for the point), `26.11 24.73 16.69 8/1041 20275`.
fn load(line: usize, said: &str) -> Option<Load> {
    let lower = said.to_ascii_lowercase();
    let (numbers, up) = match lower.split_once("load average: ").or_else(|| lower.split_once("load averages: ")) {
        Some((before, numbers)) => (numbers.to_owned(), up(before)),
        // The fourth field tells the kernel's file from any other three numbers.
        None => (lower.clone(), None),
    };
    let words: Vec<&str> = numbers.split_whitespace().collect();
    if words.len() < 3 || numbers.len() == lower.len() && !words.get(3).is_some_and(|word| word.contains('/')) {
        return None;
    }
    let number = |at: usize| {
        let word = words[at].trim_end_matches(',').replace(',', ".");
        // Two digits after the point: else it was cut.
        let (_, fraction) = word.split_once('.')?;
        word.parse::<f64>().ok().filter(|_| fraction.len() == 2 && fraction.bytes().all(|byte| byte.is_ascii_digit()))
    };
    Some(Load { one: number(0)?, five: number(1)?, fifteen: number(2)?, up, line })
}

/// `13:41:24 up 1 day,  7:37,  2 users,`
fn up(before: &str) -> Option<u64> {
    let (_, rest) = before.split_once(" up ")?;
    let mut seconds = 0;
    for part in rest.split(',').map(str::trim) {
        let (count, unit) = text::word(part);
        if let Some((hours, minutes)) = count.split_once(':') {
            let hours: u64 = hours.parse().ok()?;
            return Some(
                hours
                    .saturating_mul(3600)
                    .saturating_add(minutes.parse::<u64>().ok()?.saturating_mul(60))
                    .saturating_add(seconds),
            );
        }
        let length = match unit.trim_end_matches('s') {
            "day" => 86_400,
            "min" => 60,
            "sec" => 1,
            _ => break,
        };
        seconds = count.parse::<u64>().ok()?.saturating_mul(length).saturating_add(seconds);
    }
    Some(seconds)
}

fn cpus(text: &str) -> Option<(u64, usize)> {
    let listed = text::lines(text).filter(|(_, said)| said.starts_with("processor") && said.contains(':'));
    let (mut count, mut last) = (0, 0);
    for (line, _) in listed {
        (count, last) = (count + 1, line);
    }
    if count > 0 {
        return Some((count, last));
    }
    text::lines(text).find_map(|(line, said)| {
        let number = said.strip_prefix("CPU(s):").unwrap_or(&said).trim();
        Some((number.parse().ok().filter(|count| *count > 0)?, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const UPTIME: &str = " 13:41:24 up  7:37,  0 user,  load average: 26.11, 24.73, 16.69\n";
    const DAYS: &str = " 13:41:24 up 3 days, 12 min,  2 users,  load average: 0,52, 0,58, 1,59\n";
    const PROC: &str = "26.11 24.73 16.69 8/1041 20275\n";
    const TOP: &str = "top - 13:41:36 up 1 day,  7:37,  0 user,  load average: 30.28, 25.63, 17.07
Tasks: 285 total,   6 running, 279 sleeping,   0 stopped,   0 zombie
";
    const BUSYBOX: &str = "Mem: 21874552K used, 2809540K free, 24504K shrd, 344964K buff, 18397780K cached
Load average: 30.28 25.63 17.07 18/913 24073
";

    fn of(text: &str) -> Option<Load> {
        text::lines(text).find_map(|(line, said)| load(line, &said))
    }

    #[test]
    fn forms() {
        let seen = |text| of(text).map(|load| (load.one, load.fifteen, load.up, load.line));
        assert_eq!(seen(UPTIME), Some((26.11, 16.69, Some(7 * 3600 + 37 * 60), 1)));
        assert_eq!(seen(DAYS), Some((0.52, 1.59, Some(3 * 86_400 + 12 * 60), 1)));
        assert_eq!(seen(PROC), Some((26.11, 16.69, None, 1)));
        assert_eq!(seen(TOP), Some((30.28, 17.07, Some(86_400 + 7 * 3600 + 37 * 60), 1)));
        assert_eq!(seen(BUSYBOX), Some((30.28, 17.07, None, 2)));
        assert_eq!(seen("load average: 1.25, 1.25, 1.2"), None);
        assert_eq!(cpus("2\n"), Some((2, 1)));
        assert_eq!(cpus("Architecture: x86_64\nCPU(s):          4\nOn-line CPU(s) list: 0-3\n"), Some((4, 2)));
        assert_eq!(cpus("processor\t: 0\nmodel: x\nprocessor\t: 1\n"), Some((2, 3)));
        assert_eq!(cpus("sh: nproc: not found\n"), None);
    }

    #[test]
    fn stands() {
        trials::stands(&[UPTIME, DAYS, PROC, TOP, BUSYBOX], |text| {
            cpus(text);
            of(text).into_iter().collect()
        });
    }
}
