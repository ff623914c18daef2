//! `free` and `/proc/meminfo`: the memory of a host.

use super::{Fact, Hosts, text};

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In all.
    pub total: u64,
    /// Used for nothing.
    pub free: u64,
    /// What could be had without swapping, as the kernel (or, before Linux 3.14, free plus buffers and caches) says.
    pub available: Option<u64>,
    /// Swap in all; 0 where there is none.
    pub swap_total: u64,
    /// Swap that is free.
    pub swap_free: u64,
    /// The line that says the most, from 1.
    pub line: usize,
}

impl Memory {
    /// The share of the memory that could be had, 0 to 1.
    pub fn available_share(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)]
        self.available.filter(|_| self.total > 0).map(|available| available as f64 / self.total as f64)
    }

    /// Whether there is swap and it is used up but for a twentieth.
    pub fn swap_is_used_up(&self) -> bool {
        self.swap_total > 0 && self.swap_free < self.swap_total / 20
    }
}

impl Hosts {
    /// The memory of a host, by `free` (fact `free`) or else `/proc/meminfo` (fact `meminfo`), and the fact that said so.
    /// `free` does not print its unit: without one in the heading or at the numbers it is told by what pages make of them.
    pub fn memory(&self, host: &str) -> Fact<(Memory, &'static str)> {
        let read = |fact: &'static str| {
            self.parsed(host, fact, |text| parse(text).map(|memory| (memory, fact)).ok_or("no memory in it"))
        };
        match read("free") {
            Fact::Missed(why) => match read("meminfo") {
                Fact::Missed(_) => Fact::Missed(why),
                seen => seen,
            },
            seen => seen,
        }
    }
}

fn parse(text: &str) -> Option<Memory> {
    free(text).or_else(|| meminfo(text))
}

fn free(text: &str) -> Option<Memory> {
    let mut columns: Vec<String> = Vec::new();
    let mut found: Option<(Memory, u64)> = None;
    for (line, said) in text::lines(text) {
        let (key, rest) = text::word(&said);
        let words: Vec<&str> = rest.split_whitespace().collect();
        match key {
            "total" => columns = said.split_whitespace().map(str::to_owned).collect(),
            "Mem:" => {
                let numbers: Vec<u64> = words.iter().map_while(|word| number(word)).collect();
                let column = |name: &str| numbers.get(columns.iter().position(|column| column == name)?).copied();
                let unit = if words.iter().any(|word| word.ends_with(|c: char| c.is_ascii_alphabetic())) {
                    1
                } else {
                    unit(&numbers)
                };
                let (total, free) = (column("total")?, column("free")?);
                // A row that was cut may lack the columns after these.
                let cached = || Some(free + column("buffers")? + column("cached").or_else(|| column("cache"))?);
                let available = column("available").or_else(cached).map(|bytes| bytes.saturating_mul(unit));
                let (total, free) = (total.saturating_mul(unit), free.saturating_mul(unit));
                found = Some((Memory { total, free, available, line, ..Memory::default() }, unit));
            }
            "Swap:" => {
                if let Some((memory, unit)) = &mut found
                    && let (Some(total), Some(free)) =
                        (words.first().and_then(|word| number(word)), words.get(2).and_then(|word| number(word)))
                {
                    memory.swap_total = total.saturating_mul(*unit);
                    memory.swap_free = free.saturating_mul(*unit);
                }
            }
            _ => {}
        }
    }
    found.map(|(memory, _)| memory)
}

/// A count, or one with its unit (`23Gi`, `2.3G`, `512B`).
fn number(word: &str) -> Option<u64> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let power = match &word[digits.len()..] {
        "" => return digits.parse().ok(),
        "B" => 0,
        "K" | "Ki" => 1,
        "M" | "Mi" => 2,
        "G" | "Gi" => 3,
        "T" | "Ti" => 4,
        _ => return None,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    digits.parse::<f64>().ok().map(|number| (number * 1024_f64.powi(power)) as u64)
}

/// The kernel counts pages of 4 KiB: all numbers in bytes are multiples of 4096, all in KiB of 4; a machine has 16 MiB at least.
fn unit(numbers: &[u64]) -> u64 {
    const KIB: u64 = 1 << 10;
    let total = numbers.first().copied().unwrap_or_default();
    let all = |by: u64| numbers.iter().all(|number| number % by == 0);
    if total >= 16 << 20 && all(4096) {
        1
    } else if total >= 16 << 10 && all(4) {
        KIB
    } else {
        // With -g there are too few numbers to mistake: nothing has less than 64 MiB and prints them all.
        if total < 64 { KIB * KIB * KIB } else { KIB * KIB }
    }
}

fn meminfo(text: &str) -> Option<Memory> {
    let mut found = Memory::default();
    let mut cached = None;
    for (line, said) in text::lines(text) {
        let Some((key, value)) = said.split_once(':') else { continue };
        let (Some(count), true) = (text::leading(value.trim()), value.trim_end().ends_with(" kB")) else { continue };
        let bytes = count.saturating_mul(1024);
        match key.trim() {
            "MemTotal" => (found.total, found.line) = (bytes, line),
            "MemFree" => found.free = bytes,
            "MemAvailable" => (found.available, found.line) = (Some(bytes), line),
            "Buffers" | "Cached" => cached = Some(cached.unwrap_or(0_u64).saturating_add(bytes)),
            "SwapTotal" => found.swap_total = bytes,
            "SwapFree" => found.swap_free = bytes,
            _ => {}
        }
    }
    found.available = found.available.or(cached.map(|cached| cached.saturating_add(found.free)));
    (found.total > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const BYTES: &str = "               total        used        free      shared  buff/cache   available
Mem:     25276510208  2425053184  2963664896    15962112 20331302912 22851457024
Swap:     1073737728  1063737728    10000000
";
    /// busybox prints KiB, too.
    const KIB: &str = "              total        used        free      shared  buff/cache   available
Mem:       24684092     1913892     2816800       14256    19953400    22338472
Swap:             0           0           0
";
    const HUMAN: &str = "               total        used        free      shared  buff/cache   available
Mem:            23Gi       2.3Gi       2.8Gi        15Mi        18Gi        21Gi
Swap:             0B          0B          0B
";
    /// procps 3.2 (RHEL 6), free -m.
    const OLD: &str = "             total       used       free     shared    buffers     cached
Mem:          7869       7563        306          1         91       2000
-/+ buffers/cache:       5472       2397
Swap:         2047          5       2042
";
    const MEMINFO: &str = "MemTotal:       24684092 kB
MemFree:         2816800 kB
MemAvailable:   22338472 kB
Buffers:          344964 kB
Cached:         18397780 kB
SwapTotal:             0 kB
SwapFree:              0 kB
";

    #[test]
    fn units_are_told() {
        let bytes = parse(BYTES).unwrap();
        assert_eq!((bytes.total, bytes.available, bytes.line), (25_276_510_208, Some(22_851_457_024), 2));
        assert!(bytes.swap_is_used_up());
        let kib = parse(KIB).unwrap();
        assert_eq!((kib.total, kib.swap_total), (24_684_092 << 10, 0));
        assert_eq!(parse(MEMINFO).unwrap(), Memory { line: 3, ..kib });
        assert_eq!(parse(HUMAN).unwrap().total, 23 << 30);
        let old = parse(OLD).unwrap();
        assert_eq!((old.total, old.available), (7869 << 20, Some((306 + 91 + 2000) << 20)));
        assert!((kib.available_share().unwrap() - 0.905).abs() < 0.001);
        assert_eq!(parse("sh: free: not found\n"), None);
    }

    #[test]
    fn stands() {
        trials::stands(&[BYTES, KIB, HUMAN, OLD], |text| parse(text).map(|memory| memory.total).into_iter().collect());
        trials::stands(&[MEMINFO], |text| parse(text).map(|memory| memory.total).into_iter().collect());
    }
}
