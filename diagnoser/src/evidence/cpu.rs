//! How much of its CPU a host has in use: `vmstat`, `top`, and where it may use only so much, the counters of its control
//! group, read twice (`cpu.stat`: Documentation/admin-guide/cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst).

use super::{Fact, Hosts, text};

/// The share in use from which on whoever wants more has to wait.
const ALL: f64 = 0.9;

/// How much of the CPU is in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuUse {
    /// The share of the time in which none was left, 0 to 1: not idle, or held back by the quota.
    pub share: f64,
    /// Whether it is a quota that is used up, and not the CPUs.
    pub of_quota: bool,
    /// The line in the file, from 1.
    pub line: usize,
}

impl CpuUse {
    /// Whether it is all in use.
    pub fn is_all(&self) -> bool {
        self.share >= ALL
    }
}

impl std::fmt::Display for CpuUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = self.share * 100.0;
        match self.of_quota {
            true => write!(f, "its quota of CPU was used up in {percent:.0} % of the periods"),
            false => write!(f, "{percent:.0} % of its CPU in use"),
        }
    }
}

impl Hosts {
    /// How much of its CPU a host has in use (fact `cpu`, else `top`), and the fact that said so. Of several rounds the last
    /// counts: the first of `vmstat` and of `top` is the mean since the machine started.
    pub fn cpu(&self, host: &str) -> Fact<(CpuUse, &'static str)> {
        let read = |fact: &'static str| {
            self.parsed(host, fact, |text| parse(text).map(|found| (found, fact)).ok_or("no use of the CPU in it"))
        };
        match read("cpu") {
            Fact::Missed(why) => match read("top") {
                Fact::Missed(_) => Fact::Missed(why),
                seen => seen,
            },
            seen => seen,
        }
    }
}

/// Whichever of both leaves less: a quota is no promise that the CPUs are there.
fn parse(text: &str) -> Option<CpuUse> {
    [of_quota(text).pop(), of_cpus(text).pop()].into_iter().flatten().max_by(|a, b| a.share.total_cmp(&b.share))
}

fn of_cpus(text: &str) -> Vec<CpuUse> {
    let mut column = None;
    let rounds = text::lines(text).filter_map(|(line, said)| {
        let words: Vec<&str> = said.split_whitespace().collect();
        if words.contains(&"us") && words.contains(&"wa") && words.contains(&"free") {
            column = words.iter().position(|word| *word == "id");
        }
        let idle = of_top(&said).or_else(|| words.get(column?)?.parse::<f64>().ok())?;
        let share = 1.0 - idle / 100.0;
        (0.0..=1.0).contains(&share).then_some(CpuUse { share, of_quota: false, line })
    });
    rounds.collect()
}

/// `%Cpu(s): 97.1 us,  2.9 sy,  0.0 ni,  0.0 id, ...` (in some languages `97,1 us`), `CPU:  85% usr  14% sys   1% idle` of busybox.
fn of_top(said: &str) -> Option<f64> {
    let (key, rest) = said.split_once(':')?;
    if !key.trim_start_matches('%').to_ascii_lowercase().starts_with("cpu") {
        return None;
    }
    let rest = rest.replace('%', " ");
    let words: Vec<&str> = rest.split_whitespace().map(|word| word.trim_end_matches(',')).collect();
    let at = words.iter().position(|word| matches!(*word, "id" | "idle"))?;
    words.get(at.checked_sub(1)?)?.replace(',', ".").parse().ok()
}

/// How often a quota held back whoever wanted to run, since the counters were read first; `grep -H` puts the file's name before each.
fn of_quota(text: &str) -> Vec<CpuUse> {
    let mut periods = None;
    let mut readings: Vec<(u64, u64, usize)> = vec![];
    for (line, said) in text::lines(text) {
        let Some((name, count)) = said.rsplit_once(' ') else { continue };
        let Ok(count) = count.parse::<u64>() else { continue };
        match name.rsplit(':').next() {
            Some("nr_periods") => periods = Some(count),
            // Without a quota no periods are counted.
            Some("nr_throttled") => {
                readings.extend(periods.take().filter(|passed| *passed > 0).map(|passed| (passed, count, line)));
            }
            _ => {}
        }
    }
    let Some(&(passed_first, held_first, _)) = readings.first() else { return vec![] };
    let round = |&(passed, held, line): &(u64, u64, usize)| {
        let (passed, held) = (passed.checked_sub(passed_first)?, held.checked_sub(held_first)?);
        #[allow(clippy::cast_precision_loss)]
        // While nothing wants to run, no periods pass.
        let share = if passed == 0 { 0.0 } else { held as f64 / passed as f64 };
        (share <= 1.0).then_some(CpuUse { share, of_quota: true, line })
    };
    readings.iter().skip(1).filter_map(round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const VMSTAT: &str = "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----
 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st
 3  0      0 140628 142012 9873612    0    0   310   812 1020 1800 40 10 50  0  0
13  0      0 139620 142020 9873700    0    0     0   120 2203 2412 96  3  1  0  0
";
    const TOP: &str = "top - 13:41:36 up 1 day,  7:37,  0 user,  load average: 30.28, 25.63, 17.07
%Cpu(s): 10.1 us,  2.9 sy,  0.0 ni, 87.0 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st
top - 13:41:39 up 1 day,  7:37,  0 user,  load average: 30.28, 25.63, 17.07
%Cpu(s): 97.1 us,  2.4 sy,  0.0 ni,  0.5 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st
";
    const COMMAS: &str = "%Cpu(s): 10,1 us,  2,9 sy,  0,0 ni, 87,0 id,  0,0 wa,  0,0 hi,  0,0 si,  0,0 st\n";
    const BUSYBOX: &str = "CPU:  85% usr  14% sys   0% nic   1% idle   0% io   0% irq   0% sirq\n";
    const QUOTA: &str = "cpu/cpu.cfs_quota_us:50000
cpu/cpu.stat:nr_periods 100
cpu/cpu.stat:nr_throttled 20
cpu/cpu.stat:throttled_time 66
cpu/cpu.stat:nr_periods 120
cpu/cpu.stat:nr_throttled 39
";
    const IDLE: &str = "nr_periods 100\nnr_throttled 20\nnr_periods 100\nnr_throttled 20\n";

    #[test]
    fn forms() {
        let seen = |text: &str| parse(text).map(|found| ((found.share * 1000.0).round(), found.of_quota, found.line));
        assert_eq!(seen(VMSTAT), Some((990.0, false, 4)));
        assert_eq!(seen(TOP), Some((995.0, false, 4)));
        assert_eq!(seen(COMMAS), Some((130.0, false, 1)));
        assert_eq!(seen(BUSYBOX), Some((990.0, false, 1)));
        assert_eq!(seen(QUOTA), Some((950.0, true, 6)));
        assert_eq!(seen(IDLE), Some((0.0, true, 4)));
        assert_eq!(seen(&format!("{IDLE}{VMSTAT}")), Some((990.0, false, 8)));
        assert_eq!(seen("cpu.stat:nr_periods 0\ncpu.stat:nr_throttled 0\n"), None);
        assert_eq!(seen("nr_periods 10\nnr_throttled 10\n"), None);
        assert_eq!(seen("sh: vmstat: not found\n"), None);
    }

    #[test]
    fn stands() {
        trials::stands(&[VMSTAT, TOP, COMMAS, BUSYBOX], of_cpus);
        trials::stands(&[QUOTA, IDLE], of_quota);
    }
}
