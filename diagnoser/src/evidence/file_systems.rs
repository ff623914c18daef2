//! `df`: what is left on the file systems of a host, as coreutils and busybox print it (`-P`, `-k`, `-h`, `-T`, `-i`).

use super::{Fact, Hosts, text};

/// One row of `df -P` or `df -iP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// The device, or the type for file systems without one (`tmpfs`).
    pub device: String,
    /// Where it is mounted.
    pub mount_point: String,
    /// Blocks or inodes in all; 0 where the file system has no such limit.
    pub total: u64,
    /// Blocks or inodes free.
    pub free: u64,
    /// The line in the file, from 1.
    pub line: usize,
}

impl FileSystem {
    /// Whether nothing is left. A file system without a limit (total 0) is never full.
    pub fn is_full(&self) -> bool {
        self.total > 0 && self.free == 0
    }

    /// Whether a path lies on it, judged by the mount point alone.
    pub fn holds(&self, path: &str) -> bool {
        let mount = self.mount_point.trim_end_matches('/');
        path == self.mount_point || path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Hosts {
    /// File systems as `df` (fact `df`) or `df -i` (fact `df-inodes`) printed them.
    pub fn file_systems(&self, host: &str, fact: &str) -> Fact<Vec<FileSystem>> {
        self.parsed(host, fact, |text| {
            let rows = parse(text);
            if rows.is_empty() { Err("no file system in it") } else { Ok(rows) }
        })
    }
}

fn parse(text: &str) -> Vec<FileSystem> {
    let mut found = Vec::new();
    // A long device stands on a line of its own.
    let mut device: Option<String> = None;
    for (line, said) in text::lines(text) {
        let words: Vec<&str> = said.split_whitespace().collect();
        let alone = device.take();
        match (words.as_slice(), alone) {
            ([name], _) => device = Some((*name).to_owned()),
            (words, Some(device)) if said.starts_with(' ') => found.extend(row(line, &device, words)),
            ([device, words @ ..], _) => found.extend(row(line, device, words)),
            ([], _) => {}
        }
    }
    found
}

/// `2000  2000  0  100%  /var/lib/x`, with or without the type before it; the heading has no numbers and is passed over.
fn row(line: usize, device: &str, words: &[&str]) -> Option<FileSystem> {
    let words = if size(words.first()?).is_none() { &words[1..] } else { words };
    let share = words.get(3)?;
    (share.ends_with('%') || *share == "-").then_some(())?;
    let (total, free) = (size(words.first()?)?, size(words.get(2)?)?);
    size(words[1])?;
    Some(FileSystem { device: device.to_owned(), mount_point: words.get(4..)?.join(" "), total, free, line })
        .filter(|row| !row.mount_point.is_empty())
}

/// A count as printed, or a rounded one (`4.0K`, `20G`) by its size: `df` rounds up, so 0 is 0 there as well.
fn size(word: &str) -> Option<u64> {
    if word == "-" {
        return Some(0);
    }
    // What is left to nobody but root can make it negative.
    if let Some(less) = word.strip_prefix('-') {
        return size(less).map(|_| 0);
    }
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match &word[digits.len()..] {
        "" => return digits.parse().ok(),
        "B" => 0,
        "K" | "Ki" | "k" => 1,
        "M" | "Mi" => 2,
        "G" | "Gi" => 3,
        "T" | "Ti" => 4,
        "P" | "Pi" => 5,
        _ => return None,
    };
    let number: f64 = digits.parse().ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((number * 1024_f64.powi(power)).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const INODES: &str = "Filesystem Inodes IUsed IFree IUse% Mounted on\ntmpfs 2000 2000 0 100% /srv/a b\n/dev/vda 9 1 8 12% /\nproc - - - - /proc\n";
    /// coreutils 9 with -T, and -h.
    const TYPED: &str = "Filesystem     Type     1K-blocks     Used Available Use% Mounted on
devtmpfs       devtmpfs  12334492        0  12334492   0% /dev
/dev/vda       ext4     264212084 75627852         0 100% /
";
    const HUMAN: &str = "Filesystem      Size  Used Avail Use% Mounted on
/dev/vda        252G   73G   19G  80% /
tmpfs           4.0K     0  4.0K   0% /sys/fs/cgroup
/dev/vdb        1.0G  1.0G     0 100% /var/lib/data
";
    /// busybox 1.35: a long device, and Alpine's heading of -P.
    const BUSYBOX: &str = "Filesystem           1024-blocks    Used Available Capacity Mounted on
/dev/mapper/vg--data-lv_with_a_long_name
                         10240     10240         0 100% /data
overlay              264212084  75718340  19782924  79% /
";

    #[test]
    fn rows() {
        let rows = parse(INODES);
        assert_eq!(rows.len(), 3);
        assert!(rows[0].is_full() && rows[0].holds("/srv/a b/c") && !rows[0].holds("/srv/a bc"));
        assert!(!rows[1].is_full() && rows[1].holds("/srv"));
        assert!(!rows[2].is_full());
        let rows = parse(TYPED);
        assert_eq!(rows.iter().map(FileSystem::is_full).collect::<Vec<_>>(), [false, true]);
        let rows = parse(HUMAN);
        assert_eq!(rows.iter().map(FileSystem::is_full).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!((rows[1].total, rows[0].total), (4096, 252 << 30));
        let rows = parse(BUSYBOX);
        assert_eq!(
            (rows[0].device.as_str(), rows[0].line, rows[0].is_full()),
            ("/dev/mapper/vg--data-lv_with_a_long_name", 3, true)
        );
        assert_eq!(rows[1].mount_point, "/");
        assert_eq!(parse("df: /x: No such file or directory\n"), []);
    }

    #[test]
    fn stands() {
        trials::stands(&[INODES, TYPED, HUMAN, BUSYBOX], parse);
    }
}
