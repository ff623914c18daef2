//! What the kernel said: `dmesg` in its forms (seconds, `-T`, `--time-format iso`, `-x`), `journalctl -k`, a file of syslog.

use std::net::IpAddr;

use super::{Fact, Hosts, Stamp, text};

/// A line of the kernel's log.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelLine {
    /// When, where printed.
    pub stamp: Option<Stamp>,
    /// What it says.
    pub message: String,
    /// What that means, where it is one of those that are known here.
    pub event: Option<KernelEvent>,
    /// The line in the file, from 1.
    pub line: usize,
}

/// What the kernel says of a lack of something. For kills by the OOM killer see [`Hosts::oom_kills`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// The connection tracking table is full and packets are dropped (nf_conntrack_core.c); of this network namespace, where said.
    ConntrackFull(Option<String>),
    /// A listening port got more connection requests than it has places for (tcp_input.c).
    SynFlooding(u16),
    /// A packet whose source cannot be where it came from (route.c, `log_martians`).
    Martian {
        /// From.
        source: IpAddr,
        /// To.
        destination: IpAddr,
        /// It came in here, where said.
        device: Option<String>,
    },
    /// The neighbour table is full (neighbour.c).
    NeighbourTableFull,
    /// A file system went read-only after an error.
    ReadOnly(String),
    /// A device failed to read or write.
    InputOutput(String),
}

impl Hosts {
    /// The kernel's log (fact `dmesg`). An empty one is a reading.
    pub fn kernel(&self, host: &str) -> Fact<Vec<KernelLine>> {
        self.parsed(host, "dmesg", parse)
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<KernelLine>, &'static str> {
    let mut found = Vec::new();
    let mut refused = false;
    for (number, said) in text::lines(text) {
        let said = said.trim_end();
        if said.starts_with("dmesg:")
            || said.ends_with("dmesg: not found")
            || said.ends_with("dmesg: command not found")
        {
            refused = true;
        } else if !said.is_empty() && !said.starts_with("-- ") {
            found.push(line(number, said));
        }
    }
    if found.is_empty() && refused { Err("the kernel's log could not be read") } else { Ok(found) }
}

fn line(number: usize, said: &str) -> KernelLine {
    let said = level(said);
    let (mut stamp, mut rest) = match text::stamp(said) {
        Some((stamp, rest)) => (Some(stamp), rest),
        None => (None, said),
    };
    // `Nov 24 13:38:31 host kernel: [   12.3] words`
    let from_syslog = stamp.as_ref().is_some_and(|stamp| stamp.seconds.is_none());
    if let Some((_, message)) =
        rest.split_once("kernel: ").filter(|(before, _)| from_syslog && before.split_whitespace().count() <= 2)
    {
        rest = message;
        if let Some((inner, message)) = text::stamp(rest) {
            if let Some(stamp) = &mut stamp {
                stamp.seconds = inner.seconds;
            }
            rest = message;
        }
    }
    // The task or CPU that said it (CONFIG_PRINTK_CALLER): `[ T123]`, `[    C1]`.
    if let Some((caller, message)) = rest.strip_prefix('[').and_then(|rest| rest.split_once("] "))
        && caller.trim_start().starts_with(['T', 'C'])
        && caller.trim_start()[1..].bytes().all(|byte| byte.is_ascii_digit())
    {
        rest = message;
    }
    KernelLine { stamp, message: rest.to_owned(), event: event(rest), line: number }
}

/// Without `kern  :err   : ` (-x) or `<3>` (-r).
fn level(said: &str) -> &str {
    if let Some((number, rest)) = said.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return rest;
    }
    let mut parts = said.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(facility), Some(level), Some(rest))
            if ["kern", "user", "daemon", "syslog", "auth"].contains(&facility.trim_end())
                && level.trim_end().bytes().all(|byte| byte.is_ascii_lowercase())
                && rest.starts_with(' ') =>
        {
            &rest[1..]
        }
        _ => said,
    }
}

fn event(said: &str) -> Option<KernelEvent> {
    if said.contains("conntrack: table full") {
        let netns = said.split_once("netns ").map(|(_, rest)| rest);
        let netns = netns.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
        return Some(KernelEvent::ConntrackFull(netns));
    }
    if let Some((_, rest)) = said.split_once("ossible SYN flooding on port ") {
        // Since Linux 6.1 with the address: `[::]:80`, `10.0.0.1:80`.
        let (word, rest) = text::word(rest);
        let number = word.strip_suffix('.').or(rest.starts_with(char::is_alphabetic).then_some(word))?;
        let port = number.rsplit_once(':').map_or(number, |(_, port)| port);
        return port.parse().ok().map(KernelEvent::SynFlooding);
    }
    if let Some((_, rest)) = said.split_once("martian source ") {
        // The kernel prints the destination first.
        let (destination, rest) = rest.split_once(" from ")?;
        let (source, rest) = rest.split_once(',').unwrap_or((rest, ""));
        let device = rest.split_once("on dev ").map(|(_, device)| text::word(device).0.to_owned());
        let (source, destination) = (source.trim().parse().ok()?, destination.trim().parse().ok()?);
        return Some(KernelEvent::Martian { source, destination, device });
    }
    if said.contains("neighbor table overflow") || said.contains("eighbour table overflow") {
        return Some(KernelEvent::NeighbourTableFull);
    }
    if said.contains("emounting filesystem read-only") {
        let device = said.split_once('(').and_then(|(_, rest)| rest.split([')', ':']).next());
        return Some(KernelEvent::ReadOnly(device.unwrap_or_default().to_owned()));
    }
    if said.contains("I/O error, dev ") {
        let (_, rest) = said.split_once("I/O error, dev ")?;
        return Some(KernelEvent::InputOutput(rest.split([',', ' ']).next()?.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const SECONDS: &str = "[26769.661049] systemd-journald[165]: Under memory pressure, flushing caches.
[26770.000001] nf_conntrack: nf_conntrack: table full, dropping packet
[26771.000001][    T1] TCP: request_sock_TCP: Possible SYN flooding on port 8080. Sending cookies.  Check SNMP counters.
kern  :warn  : [26772.000001] IPv4: martian source 10.0.0.1 from 192.168.7.7, on dev eth0
<4>[26773.000001] neighbour: arp_cache: neighbor table overflow!
";
    const OTHERS: &str = "2026-11-24T08:20:26,214023+00:00 nf_conntrack: nf_conntrack: table full in netns 4026532189, dropping packet
[Tue Nov 24 08:20:27 2026] TCP: request_sock_TCP: Possible SYN flooding on port [::]:80. Dropping request.  Check SNMP counters.
Nov 24 13:28:49 h kernel: [   12.300000] EXT4-fs (vda1): Remounting filesystem read-only
Nov 24 13:28:50 h kernel: blk_update_request: I/O error, dev sdb, sector 2048 op 0x0:(READ)
ip_conntrack: table full, dropping packet.
";

    #[test]
    fn forms() {
        use KernelEvent::{ConntrackFull, InputOutput, Martian, NeighbourTableFull, ReadOnly, SynFlooding};
        let events = |text| parse(text).unwrap().into_iter().map(|line| line.event).collect::<Vec<_>>();
        let martian = Martian {
            source: "192.168.7.7".parse().unwrap(),
            destination: "10.0.0.1".parse().unwrap(),
            device: Some("eth0".to_owned()),
        };
        assert_eq!(
            events(SECONDS),
            [None, Some(ConntrackFull(None)), Some(SynFlooding(8080)), Some(martian), Some(NeighbourTableFull)]
        );
        assert_eq!(
            events(OTHERS),
            [
                Some(ConntrackFull(Some("4026532189".to_owned()))),
                Some(SynFlooding(80)),
                Some(ReadOnly("vda1".to_owned())),
                Some(InputOutput("sdb".to_owned())),
                Some(ConntrackFull(None))
            ]
        );
        let times = |text| parse(text).unwrap().into_iter().map(|line| line.stamp.is_some()).collect::<Vec<_>>();
        assert_eq!((times(SECONDS), times(OTHERS)), (vec![true; 5], vec![true, true, true, true, false]));
        assert_eq!(parse(OTHERS).unwrap()[2].stamp.as_ref().unwrap().seconds, Some(12.3));
        assert_eq!(parse(""), Ok(vec![]));
        assert!(parse("dmesg: read kernel buffer failed: Operation not permitted\n").is_err());
        // Cut within the port.
        assert_eq!(events("[1.0] TCP: Possible SYN flooding on port 80"), [None]);
    }

    #[test]
    fn stands() {
        trials::stands(&[SECONDS, OTHERS], |text| parse(text).unwrap_or_default());
    }
}
