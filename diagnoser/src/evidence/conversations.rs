//! What is asked of a capture: did the packet arrive, did the answer leave, was something sent again.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use super::{
    capture::Capture,
    packets::{CapturedPacket, Icmp, Payload, TcpFlags},
};

/// What was seen of one TCP connection at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Who opened it.
    pub client: SocketAddr,
    /// To whom.
    pub server: SocketAddr,
    /// The line of the first packet that opens it; `None` where the capture began later.
    pub opened: Option<usize>,
    /// The line of the first answer to that.
    pub accepted: Option<usize>,
    /// The line of the first reset by the server's side.
    pub reset_by_server: Option<usize>,
    /// The line of the first reset by the client's side.
    pub reset_by_client: Option<usize>,
    /// Bytes of data the client sent (each once), and the server.
    pub sent: (u64, u64),
    /// How often the client sent what it had sent before (attempts to open it among them), and the server.
    pub again: (usize, usize),
    /// The lines of the last of these.
    pub again_line: (Option<usize>, Option<usize>),
    /// How many times the client tried to open it.
    pub attempts: usize,
}

impl Capture {
    /// The TCP connections that were seen, by client and server. The same packet seen coming in and going out counts once.
    pub fn conversations(&self) -> Vec<Conversation> {
        let mut found: BTreeMap<(SocketAddr, SocketAddr), Parts> = BTreeMap::new();
        // Who opens is known by the first packet; else by the lower port, which servers have.
        for packet in &self.packets {
            let Some(segment) = Segment::of(packet) else { continue };
            let (from, to) = (segment.from, segment.to);
            let from_client = if found.contains_key(&(from, to)) {
                true
            } else if found.contains_key(&(to, from)) {
                false
            } else if segment.flags.syn {
                !segment.flags.ack
            } else {
                (to.port(), to) < (from.port(), from)
            };
            let key = if from_client { (from, to) } else { (to, from) };
            found.entry(key).or_default().add(&segment, from_client);
        }
        found.into_iter().map(|((client, server), parts)| parts.conversation(client, server)).collect()
    }

    /// The connections to an address and port.
    pub fn to(&self, address: IpAddr, port: u16) -> Vec<Conversation> {
        let server = SocketAddr::new(address, port);
        self.conversations().into_iter().filter(|each| each.server == server).collect()
    }

    /// Whether a packet that opens a connection to there was seen, with its line.
    pub fn arrived(&self, address: IpAddr, port: u16) -> Option<usize> {
        self.to(address, port).into_iter().find_map(|each| each.opened)
    }

    /// Whether an answer to one was seen (an acceptance or a reset), with its line.
    pub fn answered(&self, address: IpAddr, port: u16) -> Option<usize> {
        self.to(address, port).into_iter().find_map(|each| each.accepted.or(each.reset_by_server))
    }

    /// Messages that a packet was too long: who says so, to whom, what was sent to where, the longest that passes, the line.
    pub fn too_big(&self) -> impl Iterator<Item = (IpAddr, IpAddr, IpAddr, Option<u32>, usize)> {
        self.packets.iter().filter_map(|packet| match &packet.payload {
            Payload::Icmp(Icmp::TooBig { destination, mtu }) => {
                Some((packet.source, packet.destination, *destination, *mtu, packet.line))
            }
            _ => None,
        })
    }

    /// Messages that something cannot be reached: who says so, to whom, what was sent to where, the words, the line.
    pub fn unreachable(&self) -> impl Iterator<Item = (IpAddr, IpAddr, IpAddr, &str, usize)> {
        self.packets.iter().filter_map(|packet| match &packet.payload {
            Payload::Icmp(Icmp::Unreachable { destination, how }) => {
                Some((packet.source, packet.destination, *destination, how.as_str(), packet.line))
            }
            _ => None,
        })
    }
}

/// A TCP segment with both ends.
struct Segment<'c> {
    from: SocketAddr,
    to: SocketAddr,
    flags: TcpFlags,
    sequence: Option<u64>,
    length: u64,
    packet: &'c CapturedPacket,
}

impl<'c> Segment<'c> {
    fn of(packet: &'c CapturedPacket) -> Option<Self> {
        let Payload::Tcp { flags, sequence, length } = packet.payload else { return None };
        let from = SocketAddr::new(packet.source, packet.source_port?);
        let to = SocketAddr::new(packet.destination, packet.destination_port?);
        Some(Self { from, to, flags, sequence, length, packet })
    }
}

/// Where a packet was seen: the interface, and whether it went out.
type Place = (Option<String>, Option<bool>);

/// What one side sent: by kind and sequence number, how often at each place, and how many bytes.
#[derive(Default)]
struct Side {
    seen: BTreeMap<(bool, u64, u64), BTreeMap<Place, usize>>,
    again_line: Option<usize>,
    reset: Option<usize>,
}

impl Side {
    fn add(&mut self, segment: &Segment<'_>) {
        if segment.flags.rst {
            self.reset = self.reset.or(Some(segment.packet.line));
            return;
        }
        let Some(sequence) = segment.sequence.filter(|_| segment.flags.syn || segment.length > 0) else { return };
        let key = (segment.flags.syn, sequence, segment.length);
        let place = (segment.packet.interface.clone(), segment.packet.out);
        let times = self.seen.entry(key).or_default().entry(place).or_default();
        *times += 1;
        if *times > 1 {
            self.again_line = Some(segment.packet.line);
        }
    }

    /// At the place that saw the most of it.
    fn times(places: &BTreeMap<Place, usize>) -> usize {
        places.values().copied().max().unwrap_or_default()
    }

    fn again(&self) -> usize {
        self.seen.values().map(|places| Self::times(places).saturating_sub(1)).sum()
    }

    fn bytes(&self) -> u64 {
        self.seen.keys().fold(0, |sum, (_, _, length)| sum.saturating_add(*length))
    }

    fn attempts(&self) -> usize {
        self.seen.iter().filter(|((syn, ..), _)| *syn).map(|(_, places)| Self::times(places)).sum()
    }
}

#[derive(Default)]
struct Parts {
    client: Side,
    server: Side,
    opened: Option<usize>,
    accepted: Option<usize>,
}

impl Parts {
    fn add(&mut self, segment: &Segment<'_>, from_client: bool) {
        let line = Some(segment.packet.line);
        if segment.flags.syn && from_client {
            self.opened = self.opened.or(line);
        } else if segment.flags.syn && segment.flags.ack {
            self.accepted = self.accepted.or(line);
        }
        if from_client { self.client.add(segment) } else { self.server.add(segment) }
    }

    fn conversation(self, client: SocketAddr, server: SocketAddr) -> Conversation {
        Conversation {
            client,
            server,
            opened: self.opened,
            accepted: self.accepted,
            reset_by_server: self.server.reset,
            reset_by_client: self.client.reset,
            sent: (self.client.bytes(), self.server.bytes()),
            again: (self.client.again(), self.server.again()),
            again_line: (self.client.again_line, self.server.again_line),
            attempts: self.client.attempts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{capture, trials};

    #[test]
    fn what_became_of_them() {
        let capture = capture::parse(capture::tests::PLAIN).unwrap();
        let server: IpAddr = "10.0.0.2".parse().unwrap();
        let found = capture.to(server, 80);
        assert_eq!(found.len(), 1);
        let one = &found[0];
        assert_eq!((one.opened, one.accepted, one.attempts), (Some(3), Some(4), 1));
        assert_eq!((one.sent, one.again, one.again_line), ((1448, 0), (1, 0), (Some(6), None)));
        assert_eq!((capture.arrived(server, 81), capture.answered(server, 81)), (Some(9), Some(10)));
        assert_eq!(capture.arrived(server, 82), None);
        let too_big: Vec<_> = capture.too_big().map(|(by, _, to, mtu, line)| (by.to_string(), to, mtu, line)).collect();
        assert_eq!(too_big, [("10.0.0.254".to_owned(), server, Some(1300), 7)]);
    }

    #[test]
    fn a_router_sees_each_packet_twice() {
        let line =
            |place: &str| format!("{place} IP 10.0.0.1.40000 > 10.0.9.2.80: Flags [S], seq 100, win 6, length 0\n");
        let once = line("13:38:31.1 eth0  In ") + &line("13:38:31.2 eth1  Out");
        let seen = |text: &str| {
            let capture = capture::parse(text).unwrap();
            let found = capture.conversations();
            (found.len(), found[0].attempts, found[0].again.0)
        };
        assert_eq!(seen(&once), (1, 1, 0));
        assert_eq!(seen(&once.repeat(3)), (1, 3, 2));
    }

    #[test]
    fn stands() {
        trials::stands(&[capture::tests::PLAIN], |text| {
            capture::parse(text).unwrap_or_default().conversations();
            Vec::<()>::new()
        });
    }
}
