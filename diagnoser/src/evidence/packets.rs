//! A packet as `tcpdump -n` prints it, after the time and place.

use std::net::IpAddr;

use super::text;

/// Flags of a TCP segment that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TcpFlags {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    pub push: bool,
}

/// An ICMP message about another packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Icmp {
    /// Too long for the way and not to be cut: "need to frag", or IPv6's "packet too big".
    TooBig {
        /// What was sent to where.
        destination: IpAddr,
        /// The longest that would pass.
        mtu: Option<u32>,
    },
    /// Unreachable in another way, in tcpdump's words (`host`, `tcp port 80`, `host - admin prohibited`).
    Unreachable {
        /// What was sent to where.
        destination: IpAddr,
        /// The words.
        how: String,
    },
    /// It went round too often.
    TimeExceeded,
    /// Anything else, such as an echo.
    Other(String),
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A TCP segment.
    Tcp {
        /// Its flags.
        flags: TcpFlags,
        /// The first of its sequence numbers, where printed.
        sequence: Option<u64>,
        /// Bytes of data in it.
        length: u64,
    },
    /// An ICMP message.
    Icmp(Icmp),
    /// Anything else, such as UDP.
    Other,
}

/// A packet that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// When, as printed, where it is.
    pub time: Option<String>,
    /// Where, when captured on `any`.
    pub interface: Option<String>,
    /// Whether it went out (else in), when captured on `any`.
    pub out: Option<bool>,
    /// From.
    pub source: IpAddr,
    /// From which port.
    pub source_port: Option<u16>,
    /// To.
    pub destination: IpAddr,
    /// To which port.
    pub destination_port: Option<u16>,
    /// What it carries.
    pub payload: Payload,
    /// The line in the file, from 1.
    pub line: usize,
}

/// What stands before the addresses.
pub(super) struct Head<'t> {
    pub time: Option<String>,
    pub interface: Option<&'t str>,
    pub out: Option<bool>,
}

/// `10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 64240, length 0`
pub(super) fn packet(line: usize, head: &Head<'_>, said: &str) -> Option<CapturedPacket> {
    let (source, rest) = said.split_once(" > ")?;
    let (destination, rest) = rest.split_once(": ")?;
    // Ports belong to TCP, UDP and SCTP only; an address of ICMP has four parts as well as one with a port has five.
    let (source, source_port) = end(source)?;
    let (destination, destination_port) = end(destination)?;
    let payload = if let Some(rest) = rest.strip_prefix("Flags [") {
        tcp(rest)?
    } else if let Some(rest) =
        rest.strip_prefix("ICMP").and_then(|rest| rest.strip_prefix("6,").or_else(|| rest.strip_prefix(' ')))
    {
        Payload::Icmp(icmp(rest.trim_start())?)
    } else {
        Payload::Other
    };
    Some(CapturedPacket {
        time: head.time.clone(),
        interface: head.interface.map(str::to_owned),
        out: head.out,
        source,
        source_port,
        destination,
        destination_port,
        payload,
        line,
    })
}

fn end(word: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Some((address, None));
    }
    let (address, port) = word.rsplit_once('.')?;
    Some((address.parse().ok()?, Some(port.parse().ok()?)))
}

/// `S.], seq 1:10, ack 1, win 502, options [..], length 9: HTTP: GET / HTTP/1.1`
fn tcp(rest: &str) -> Option<Payload> {
    let (flags, rest) = rest.split_once(']')?;
    let has = |flag: char| flags.contains(flag);
    let flags = TcpFlags { syn: has('S'), ack: has('.'), fin: has('F'), rst: has('R'), push: has('P') };
    let sequence = rest.split_once(" seq ").and_then(|(_, rest)| text::leading(rest));
    // The last of the fields: without it the line was cut. Text of the payload may follow it.
    let (_, length) = rest.split_once("length ")?;
    Some(Payload::Tcp { flags, sequence, length: text::leading(length)? })
}

/// `10.0.0.2 unreachable - need to frag (mtu 1300), length 556`, `host 10.0.0.2 unreachable, length 36`,
/// `10.0.0.2 tcp port 80 unreachable, length 36`, `packet too big, mtu 1280, length 556`
fn icmp(rest: &str) -> Option<Icmp> {
    let rest = rest.split_once(", length").map_or(rest, |(words, _)| words);
    if let Some((before, after)) = rest.split_once("unreachable") {
        let destination = before.split([' ', ',']).find_map(|word| word.parse().ok())?;
        if after.contains("need to frag") {
            let mtu = after.split_once("(mtu ").and_then(|(_, mtu)| mtu.split_once(')')?.0.parse().ok());
            return Some(Icmp::TooBig { destination, mtu });
        }
        let words = before.split_whitespace().filter(|word| word.trim_end_matches(',').parse::<IpAddr>().is_err());
        let how = words.chain(after.split_whitespace()).collect::<Vec<_>>().join(" ");
        return Some(Icmp::Unreachable { destination, how });
    }
    if let Some((_, mtu)) = rest.split_once("packet too big, mtu ") {
        // tcpdump does not print about what; it is known by where the message goes.
        return Some(Icmp::TooBig { destination: IpAddr::from([0; 16]), mtu: mtu.trim().parse().ok() });
    }
    Some(if rest.starts_with("time exceeded") { Icmp::TimeExceeded } else { Icmp::Other(rest.to_owned()) })
}
