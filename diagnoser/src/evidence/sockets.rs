//! `ss` and `netstat`: the sockets of a host, as iproute2, net-tools and busybox print them.

use std::net::IpAddr;

use super::{Fact, Hosts, text};

/// The state of a TCP connection (RFC 9293).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum TcpState {
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    TimeWait,
    CloseWait,
    LastAck,
    Closing,
    Closed,
}

impl TcpState {
    /// In the spelling of ss, netstat or conntrack.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.replace('_', "-").as_str() {
            "LISTEN" | "LISTENING" => Self::Listen,
            "SYN-SENT" => Self::SynSent,
            "SYN-RECV" | "NEW-SYN-RECV" => Self::SynReceived,
            "ESTAB" | "ESTABLISHED" => Self::Established,
            "FIN-WAIT-1" | "FIN-WAIT1" => Self::FinWait1,
            "FIN-WAIT-2" | "FIN-WAIT2" | "FIN-WAIT" => Self::FinWait2,
            "TIME-WAIT" => Self::TimeWait,
            "CLOSE-WAIT" => Self::CloseWait,
            "LAST-ACK" => Self::LastAck,
            "CLOSING" => Self::Closing,
            "UNCONN" | "CLOSE" | "CLOSED" => Self::Closed,
            _ => return None,
        })
    }
}

/// One end of a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketEnd {
    /// As printed: `10.0.0.1`, `*`, `[::]`, `127.0.0.53%lo`.
    pub address: String,
    /// `None` for any.
    pub port: Option<u16>,
}

impl SocketEnd {
    /// The address, where it is one (also `::ffff:10.0.0.1`, which is 10.0.0.1).
    pub fn ip(&self) -> Option<IpAddr> {
        ip(&self.address)
    }
}

/// The address that a printed end names.
pub(super) fn ip(printed: &str) -> Option<IpAddr> {
    let bare = printed.split('%').next()?.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A TCP or UDP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Whether it is a TCP socket, not a UDP one.
    pub tcp: bool,
    /// Its state; `None` where the command was asked for one state and so did not print it.
    pub state: Option<TcpState>,
    /// Of a listening socket (`ss` only): connections that wait to be accepted. Else bytes that wait to be read.
    pub received: u64,
    /// Of a listening socket (`ss` only): how many may wait. Else bytes that were not acknowledged.
    pub sent: u64,
    /// This end.
    pub local: SocketEnd,
    /// The other.
    pub peer: SocketEnd,
    /// The name of the process, where printed.
    pub process: Option<String>,
    /// Its id.
    pub pid: Option<u32>,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Socket {
    /// Whether it takes TCP connections.
    pub fn listens(&self) -> bool {
        self.tcp && (self.state == Some(TcpState::Listen) || self.state.is_none() && self.peer.port.is_none())
    }
}

impl Hosts {
    /// The TCP and UDP sockets that `ss` or `netstat` printed into `fact`. An empty file is a reading: there are none.
    pub fn sockets(&self, host: &str, fact: &str) -> Fact<Vec<Socket>> {
        self.parsed(host, fact, parse)
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Socket>, &'static str> {
    let mut found = Vec::new();
    let mut strange = false;
    for (line, said) in text::lines(text) {
        match row(line, &said) {
            Row::Socket(socket) => found.push(*socket),
            Row::Named => return Err("ports are printed by name (-n prints numbers)"),
            Row::Nothing => {}
            Row::Strange => strange = true,
        }
    }
    if found.is_empty() && strange { Err("no sockets in it") } else { Ok(found) }
}

enum Row {
    Socket(Box<Socket>),
    /// A socket whose port is a name that is not known here.
    Named,
    /// A heading, a socket of another kind, details of the line before.
    Nothing,
    Strange,
}

fn row(line: usize, said: &str) -> Row {
    let mut words = said.split_whitespace().peekable();
    let Some(&first) = words.peek() else { return Row::Nothing };
    let heading = matches!(first, "State" | "Netid" | "Proto" | "Active") || said.contains("Recv-Q");
    let other =
        matches!(first, "unix" | "raw" | "raw6" | "nl" | "p_raw" | "p_dgr" | "icmp6" | "???" | "v_str" | "sctp")
            || first.starts_with("u_");
    // netstat's word that it may not see everybody's processes.
    if heading || other || first == "(Not" || said.contains("will not be shown") {
        return Row::Nothing;
    }
    let udp = first.starts_with("udp");
    if udp || first == "tcp" || first == "tcp6" || first == "mptcp" {
        words.next();
    }
    let mut state = words.peek().and_then(|word| TcpState::parse(word));
    if state.is_some() {
        words.next();
    }
    let mut number = || words.next().and_then(|word| word.parse().ok());
    let (Some(received), Some(sent)) = (number(), number()) else { return Row::Strange };
    let (Some(local), Some(peer)) = (words.next().map(end), words.next().map(end)) else { return Row::Strange };
    let (local, peer) = match (local, peer) {
        (End::At(local), End::At(peer)) => (local, peer),
        (End::Named, _) | (_, End::Named) => return Row::Named,
        _ => return Row::Strange,
    };
    if state.is_none() {
        state = words.peek().and_then(|word| TcpState::parse(word));
    }
    let (process, pid) = process(said).unzip();
    Row::Socket(Box::new(Socket { tcp: !udp, state, received, sent, local, peer, process, pid: pid.flatten(), line }))
}

enum End {
    At(SocketEnd),
    Named,
    Neither,
}

fn end(word: &str) -> End {
    let Some((address, port)) = word.rsplit_once(':') else { return End::Neither };
    let port = match (port, port.parse()) {
        ("*", _) => None,
        (_, Ok(port)) => Some(port),
        (name, _) => match well_known(name) {
            Some(port) => Some(port),
            // An address that was cut, or something else.
            None if name.starts_with(|c: char| c.is_ascii_alphabetic()) => return End::Named,
            None => return End::Neither,
        },
    };
    End::At(SocketEnd { address: address.to_owned(), port })
}

/// The names that are in every /etc/services and that nearly every host listens under.
fn well_known(name: &str) -> Option<u16> {
    const NAMES: [(&str, u16); 12] = [
        ("ssh", 22),
        ("smtp", 25),
        ("domain", 53),
        ("http", 80),
        ("sunrpc", 111),
        ("ntp", 123),
        ("https", 443),
        ("ipp", 631),
        ("mysql", 3306),
        ("postgresql", 5432),
        ("http-alt", 8080),
        ("webcache", 8080),
    ];
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, port)| *port)
}

/// `users:(("nginx",pid=12,fd=6),...)`, `users:(("nginx",12,6))` (iproute2 before 4), `12/nginx: master`.
fn process(said: &str) -> Option<(String, Option<u32>)> {
    if let Some((_, users)) = said.split_once("users:((\"") {
        let (name, rest) = users.split_once('"')?;
        let rest = rest.trim_start_matches(',');
        let pid = text::leading(rest.strip_prefix("pid=").unwrap_or(rest));
        return Some((name.to_owned(), pid.and_then(|pid| pid.try_into().ok())));
    }
    let (pid, name) = said.split_whitespace().skip(5).find_map(|word| {
        let (pid, name) = word.split_once('/')?;
        Some((pid.parse().ok()?, name))
    })?;
    Some((name.trim_end_matches(':').to_owned(), Some(pid)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::evidence::trials;

    /// iproute2 6.1 (Debian 12).
    pub const SS: &str = r#"State     Recv-Q Send-Q Local Address:Port  Peer Address:Port Process
LISTEN    0      4096   127.0.0.53%lo:53         0.0.0.0:*     users:(("systemd-resolve",pid=371,fd=14))
LISTEN    3      511          0.0.0.0:80         0.0.0.0:*     users:(("nginx",pid=812,fd=6),("nginx",pid=811,fd=6))
LISTEN    0      128                *:8080             *:*     users:(("java",pid=99,fd=12))
LISTEN    0      128             [::]:22            [::]:*
ESTAB     0      36          10.0.0.5:22       10.0.0.9:50122
	 cubic wscale:7,7 rto:204 rtt:0.5/0.25
TIME-WAIT 0      0      [::ffff:10.0.0.5]:8080 [::ffff:10.0.0.7]:40000
"#;
    /// net-tools 2.10 (Debian), with the words on standard error.
    pub const NETSTAT: &str = "(Not all processes could be identified, non-owned process info
 will not be shown, you would have to be root to see it all.)
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      -
tcp        0      0 127.0.0.1:5432          0.0.0.0:*               LISTEN      417/postgres
tcp        0      0 10.0.0.5:40022          10.0.0.9:443            TIME_WAIT   -
tcp        0      1 10.0.0.5:40024          10.0.0.9:443            SYN_SENT    512/curl
tcp6       0      0 :::80                   :::*                    LISTEN      33/nginx: master pr
udp        0      0 0.0.0.0:68              0.0.0.0:*                           301/dhclient
";
    /// busybox 1.35 (Alpine).
    const BUSYBOX: &str = "Active Internet connections (only servers)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       \n\
tcp        0      0 0.0.0.0:8080            0.0.0.0:*               LISTEN      \n\
tcp        0      0 :::9090                 :::*                    LISTEN      \n";
    /// iproute2 2.6 (RHEL 6) and a list of one state, without that column.
    const OLD: &str = "State      Recv-Q Send-Q        Local Address:Port          Peer Address:Port
LISTEN     0      128                      :::22                      :::*      users:((\"sshd\",1234,4))
LISTEN     0      100               127.0.0.1:25                       *:*      users:((\"master\",1400,12))
";
    const ONE_STATE: &str = "Recv-Q Send-Q Local Address:Port Peer Address:Port
0      0           10.0.0.5:40000    10.0.0.9:80
0      128          0.0.0.0:ssh       0.0.0.0:*
";

    #[test]
    fn as_ss_prints_them() {
        let found = parse(SS).unwrap();
        let ports: Vec<_> = found.iter().filter(|s| s.listens()).map(|s| s.local.port.unwrap()).collect();
        assert_eq!(ports, [53, 80, 8080, 22]);
        assert_eq!((found[1].received, found[1].sent, found[1].line), (3, 511, 3));
        assert_eq!((found[1].process.as_deref(), found[1].pid), (Some("nginx"), Some(812)));
        assert_eq!(found[0].local.ip(), "127.0.0.53".parse().ok());
        assert_eq!(found[5].state, Some(TcpState::TimeWait));
        assert_eq!(found[5].peer.ip(), "10.0.0.7".parse().ok());
        assert_eq!((found[2].local.ip(), found[5].line), (None, 8));
    }

    #[test]
    fn as_others_print_them() {
        let found = parse(NETSTAT).unwrap();
        assert_eq!(found.len(), 6);
        assert_eq!((found[1].process.as_deref(), found[1].pid, found[0].pid), (Some("postgres"), Some(417), None));
        assert_eq!(found[3].state, Some(TcpState::SynSent));
        assert_eq!((found[4].process.as_deref(), found[4].listens()), (Some("nginx"), true));
        assert!(!found[5].tcp && !found[5].listens());
        assert_eq!(parse(BUSYBOX).unwrap().iter().filter(|s| s.listens()).count(), 2);
        let old = parse(OLD).unwrap();
        assert_eq!((old[0].pid, old[0].process.as_deref(), old[1].local.port), (Some(1234), Some("sshd"), Some(25)));
        let one = parse(ONE_STATE).unwrap();
        assert_eq!((one[0].listens(), one[1].listens(), one[1].local.port), (false, true, Some(22)));
    }

    #[test]
    fn what_is_no_reading() {
        assert_eq!(parse(""), Ok(vec![]));
        assert_eq!(parse("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"), Ok(vec![]));
        assert!(parse("bash: ss: command not found\n").is_err());
        assert!(parse("Cannot open netlink socket: Permission denied\n").is_err());
        assert!(parse("LISTEN 0 128 0.0.0.0:gopher 0.0.0.0:*\n").is_err());
        // Cut in the middle of a port: it could have been any that begins so.
        assert!(parse("LISTEN 0 128 0.0.0.0:80").is_err());
    }

    #[test]
    fn stands() {
        trials::stands(&[SS, NETSTAT, BUSYBOX, OLD, ONE_STATE], |text| parse(text).unwrap_or_default());
    }
}
