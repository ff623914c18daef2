//! The packet filter of a machine refuses a connection and says so: the server's own, a router's on the way, or the client's.
//!
//! # What it looks like
//! Connections are refused at once ("Connection refused"), or there is "No route to host", although the server listens. From
//! outside a refused port and one on which nothing listens look alike; the sockets and the rules of the machine tell them apart.
//! Where the answer is an ICMP message, the kernel sends only so many of them, and who asks often hears nothing at times.
//!
//! # Confirm by hand
//! `ss -tln` on the server shows the port; `nft -a list ruleset` or `iptables-save -c` there and on the routers shows a rule that
//! meets the connection and says reject, its counter rising with every attempt. `tcpdump -ni any host CLIENT` on the server shows
//! an ICMP message or a reset as the answer.
//!
//! # Fix
//! Delete the rule (`nft delete rule TABLE CHAIN handle N`, `iptables -D CHAIN ...`), or put an exception before it, and do the
//! same in what sets it.
//!
//! # Who acts
//! Whoever runs the machine with the rule, or network security: hand over machine, rule, source, destination and port.
//!
//! # Source
//! nft(8), "Reject statement"; iptables-extensions(8), REJECT; net/ipv4/icmp.c, icmp_err_convert (what the client is told).

use super::{Case, Cause, Finding, filters};
use crate::{propagation::Mode, ways::End};

/// See the module's comment.
pub struct FirewallReject;

impl Cause for FirewallReject {
    fn id(&self) -> &'static str {
        "firewall-reject"
    }

    fn source(&self) -> &'static str {
        include_str!("firewall_reject.rs")
    }

    fn owner(&self) -> &'static str {
        "network-security"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        filters::examine(case, &[Mode::Refused, Mode::Unreachable], |end| match end {
            End::Rejected { host, rule, .. } => Some((host, rule)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24 via 10.80.1.1
        machine router 10.80.1.1/24 10.80.2.1/24
        machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80
        probe host/client -> tcp://app.example.test:80  refused in 1ms  at 10.80.2.10:80";

    #[test]
    fn holds_wherever_the_rule_stands() {
        let reset = "tcp dport 80 reject with tcp reset";
        check(&format!("{WORLD}\nfilter app input {reset}\n=> firewall-reject host/app"));
        check(&format!("{WORLD}\nfilter router forward {reset}\n=> firewall-reject host/router"));
        check(&format!("{WORLD}\nfilter client output {reset}\n=> firewall-reject host/client"));
    }

    #[test]
    fn holds_where_the_client_is_told_that_there_is_no_way() {
        let world = WORLD.replace("refused", "unreachable");
        let rule = "tcp dport 80 reject with icmp type admin-prohibited";
        check(&format!("{world}\nfilter app input {rule}\n=> firewall-reject host/app"));
        check(&format!("{WORLD}\nfilter app input {rule}\n=> unknown"));
    }

    #[test]
    fn holds_where_some_hear_nothing() {
        let often = "request from=host/client hop=client method=GET path=/ seconds=3 error=timeout upstream=app.example.test:80 address=10.80.2.10:80 at=0 x6
            request from=host/client hop=client method=GET path=/ seconds=0.01 error=refused upstream=app.example.test:80 address=10.80.2.10:80 at=-0.1 x3";
        check(&format!("{WORLD}\n{often}\nfilter app input tcp dport 80 reject\n=> firewall-reject host/app"));
    }

    #[test]
    fn twin_nothing_listens() {
        let silent = WORLD.replace("listens 0.0.0.0:80", "");
        check(&format!("{silent}\nunit app web inactive (dead)\n=> process-not-listening host/app"));
    }

    #[test]
    fn twin_it_listens_for_itself_alone() {
        let own = WORLD.replace("0.0.0.0:80", "127.0.0.1:80");
        check(&format!("{own}\n=> listen-loopback-only host/app"));
    }

    #[test]
    fn unknown_without_the_rules() {
        let rule = "filter app input tcp dport 80 reject";
        check(&format!("{WORLD}\n{rule}\nwithout hosts/app/nft.txt\n=> unknown lacks hosts/app/nft.txt"));
    }
}
