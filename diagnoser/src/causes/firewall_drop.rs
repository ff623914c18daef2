//! The packet filter of a machine drops a connection: the server's own, a router's on the way, or the client's.
//!
//! # What it looks like
//! Connections time out, in silence, at once for everybody whom the rule is about, while others and other ports are served. A
//! missing route or a wrong one looks the same to the client; packets that are seen to arrive at the server prove neither.
//!
//! # Confirm by hand
//! On the client, every router on the way (`ip route get ADDRESS`) and the server: `nft -a list ruleset` or `iptables-save -c`.
//! A rule that meets source, destination, port and interfaces and says drop, or a chain whose policy is drop with no rule that
//! lets it pass; its counter rises with every attempt.
//!
//! # Fix
//! Delete the rule (`nft delete rule TABLE CHAIN handle N`, `iptables -D CHAIN ...`), or add the exception that is missing, and
//! do the same in what sets it (/etc/nftables.conf, a configuration manager).
//!
//! # Who acts
//! Whoever runs the machine with the rule, or network security: hand over machine, rule, source, destination and port.
//!
//! # Source
//! nft(8), "Chains" and "Statements"; iptables(8); netfilter.org, packet flow.

use super::{Case, Cause, Finding, filters};
use crate::{propagation::Mode, ways::End};

/// See the module's comment.
pub struct FirewallDrop;

impl Cause for FirewallDrop {
    fn id(&self) -> &'static str {
        "firewall-drop"
    }

    fn source(&self) -> &'static str {
        include_str!("firewall_drop.rs")
    }

    fn owner(&self) -> &'static str {
        "network-security"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        filters::examine(case, &[Mode::Silent], |end| match end {
            End::Dropped { host, rule, .. } => Some((host, rule)),
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
        probe host/client -> tcp://app.example.test:80  timeout in 3s  at 10.80.2.10:80";

    #[test]
    fn holds_wherever_the_rule_stands() {
        check(&format!("{WORLD}\nfilter app input tcp dport 80 drop\n=> firewall-drop host/app"));
        check(&format!(
            "{WORLD}\nfilter app input tcp dport 22 accept\nfilter app input policy drop\n=> firewall-drop host/app"
        ));
        check(&format!("{WORLD}\nfilter router forward ip daddr 10.80.2.10 drop\n=> firewall-drop host/router"));
        check(&format!("{WORLD}\nfilter client output tcp dport 80 drop\n=> firewall-drop host/client"));
        check(&format!("{WORLD}\nfilter app output tcp sport 80 drop\n=> firewall-drop host/app"));
    }

    #[test]
    fn twin_a_rule_that_refuses() {
        let refused = WORLD.replace("timeout in 3s", "refused in 1ms");
        check(&format!("{refused}\nfilter app input tcp dport 80 reject\n=> firewall-reject host/app"));
        check(&format!("{refused}\nfilter app input tcp dport 80 drop\n=> unknown"));
    }

    #[test]
    fn twins_rules_that_are_about_something_else() {
        check(&format!("{WORLD}\nfilter app input tcp dport 81 drop\n=> unknown"));
        check(&format!("{WORLD}\nfilter app input ip saddr 10.80.9.0/24 drop\n=> unknown"));
        check(&format!("{WORLD}\nfilter app input tcp dport 80 counter packets 0 bytes 0 drop\n=> unknown"));
    }

    #[test]
    fn what_one_connection_suffers_is_not_what_another_does() {
        check(&format!(
            "{WORLD}
             machine other 10.80.1.11/24 via 10.80.1.1
             probe host/other -> tcp://app.example.test:80  connected in 1ms  at 10.80.2.10:80
             filter app input ip saddr 10.80.1.10 drop
             => firewall-drop host/app"
        ));
    }

    #[test]
    fn unknown_without_the_rules() {
        let rule = "filter app input tcp dport 80 drop";
        check(&format!("{WORLD}\n{rule}\nwithout hosts/app/nft.txt\n=> unknown lacks hosts/app/nft.txt"));
        check(&format!("{WORLD}\nwithout hosts/router/nft.txt\n=> unknown lacks hosts/router/nft.txt"));
        check(&format!("{WORLD}\nwithout hosts/router/ip-addr.txt\n=> unknown lacks hosts/router/ip-addr.txt"));
    }
}
