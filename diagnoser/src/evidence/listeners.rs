//! Which TCP ports a host takes connections on, out of `ss -tln` or `netstat -tln`.

use std::net::IpAddr;

use super::{Fact, Hosts, sockets};

/// A listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The local address as `ss` prints it: `0.0.0.0`, `*`, `[::]`, `127.0.0.1`.
    pub address: String,
    /// The local port.
    pub port: u16,
    /// The name of the process, where printed.
    pub process: Option<String>,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Listener {
    /// Whether only the host (or pod) itself can connect to it.
    pub fn is_loopback(&self) -> bool {
        sockets::ip(&self.address).is_some_and(|address| address.is_loopback())
    }

    /// Whether it takes connections to this address of the host. One of all IPv6 addresses may take those to IPv4 ones as
    /// well (`net.ipv6.bindv6only` is 0 by default), and older tools print both alike.
    pub fn takes(&self, address: IpAddr) -> bool {
        match sockets::ip(&self.address) {
            None => true,
            Some(IpAddr::V4(own)) if own.is_unspecified() => address.is_ipv4(),
            Some(own) => own.is_unspecified() || own == address.to_canonical(),
        }
    }
}

impl Hosts {
    /// Listening TCP sockets as `ss -tln` or `netstat -tln` printed them (with or without its header).
    pub fn listeners(&self, host: &str, fact: &str) -> Fact<Vec<Listener>> {
        // An empty file is a reading: nothing listens.
        self.parsed(host, fact, |text| {
            let listening = sockets::parse(text)?.into_iter().filter(sockets::Socket::listens);
            let listener = |socket: sockets::Socket| {
                let sockets::SocketEnd { address, port } = socket.local;
                Some(Listener { address, port: port?, process: socket.process, line: socket.line })
            };
            Ok(listening.filter_map(listener).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(text: &str) -> Vec<Listener> {
        let mut hosts = Hosts::default();
        hosts.add("n/ss.txt", text);
        hosts.listeners("n", "ss").seen().unwrap_or_default()
    }

    #[test]
    fn whom_they_serve() {
        let text = "LISTEN 0 4096 0.0.0.0:80 0.0.0.0:* users:((\"x\",pid=1,fd=3))\nLISTEN 0 1 127.0.0.1:8080 0.0.0.0:*\nLISTEN 0 9 *:9090 *:*\nLISTEN 0 9 [::ffff:127.0.0.1]:9 *:*\n";
        let found = listeners(text);
        assert_eq!(found.iter().map(|l| l.port).collect::<Vec<_>>(), [80, 8080, 9090, 9]);
        assert_eq!(found.iter().map(Listener::is_loopback).collect::<Vec<_>>(), [false, true, false, true]);
        assert_eq!(found[0].process.as_deref(), Some("x"));
        let own = "10.0.0.1".parse().unwrap();
        assert_eq!(found.iter().map(|l| l.takes(own)).collect::<Vec<_>>(), [true, false, true, false]);
        assert!(!found[0].takes("::1".parse().unwrap()));
    }

    #[test]
    fn without_the_rest() {
        assert_eq!(listeners(sockets::tests::SS).iter().map(|l| l.port).collect::<Vec<_>>(), [53, 80, 8080, 22]);
        assert_eq!(listeners(sockets::tests::NETSTAT).iter().map(|l| l.port).collect::<Vec<_>>(), [22, 5432, 80]);
    }
}
