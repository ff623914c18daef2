//! `hosts/<host>/ip-addr.txt`: the network interfaces of a host and their addresses, as `ip addr` prints them (also
//! `ip -o addr`, `ip -br addr`, busybox) or `ifconfig` (fact `ifconfig`; net-tools old and new, busybox).

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::{Citation, Fact, Hosts};

/// The facts that are read, the better first.
const FACTS: [&str; 2] = ["ip-addr", "ifconfig"];

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, without what it is paired with (`eth0` of `eth0@if24`).
    pub name: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether packets can leave it: its link has a partner; `true` where that is not said.
    pub carrier: bool,
    /// The largest packet it takes.
    pub mtu: Option<u32>,
    /// Its addresses, each with the network it is in.
    pub addresses: Vec<IpNet>,
    /// The address at the other end of a link between two, as of a tunnel.
    pub peer: Option<IpAddr>,
    /// Whether it leads to one other end and needs no next hop (`POINTOPOINT`).
    pub point_to_point: bool,
    /// Where a tunnel begins and ends in the network that carries it, where said (`link/ipip 10.0.0.1 peer 10.0.1.1`).
    pub carried: Option<(IpAddr, IpAddr)>,
    /// The file it stands in, relative to the evidence folder.
    pub file: String,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Interface {
    /// Whether it is the loopback interface.
    pub fn is_loopback(&self) -> bool {
        self.name == "lo" || self.addresses.iter().any(|net| net.addr().is_loopback())
    }

    /// Whether it has this very address.
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|net| net.addr() == address)
    }

    /// Whether an address is in one of its networks.
    pub fn reaches(&self, address: IpAddr) -> bool {
        self.peer == Some(address) || self.addresses.iter().any(|net| net.contains(&address))
    }

    /// A citation of it.
    pub fn cite(&self) -> Citation {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let mtu = self.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
        let down = if self.up { "" } else { ", down" };
        Citation::line(&self.file, self.line, format!("{} {}{mtu}{down}", self.name, addresses.join(", ")))
    }
}

impl Hosts {
    /// The interfaces of a host.
    pub fn interfaces(&self, host: &str) -> Fact<Vec<Interface>> {
        let mut why = "not collected".to_owned();
        for fact in FACTS {
            match self.text(host, fact) {
                Fact::Seen(text) => {
                    let found = parse(&Self::file(host, fact), text);
                    if !found.is_empty() {
                        return Fact::Seen(found);
                    }
                    "no interface in it".clone_into(&mut why);
                }
                Fact::Missed(_) => {}
            }
        }
        Fact::Missed(why)
    }
}

fn parse(file: &str, text: &str) -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(&first) = words.first() else { continue };
        let fresh = |name: &str| Interface {
            name: name.split('@').next().unwrap_or_default().trim_end_matches(':').to_owned(),
            up: true,
            carrier: true,
            mtu: None,
            addresses: Vec::new(),
            peer: None,
            point_to_point: false,
            carried: None,
            file: file.to_owned(),
            line: index + 1,
        };
        let indented = line.starts_with([' ', '\t']);
        let numbered = first.strip_suffix(':').is_some_and(|number| number.parse::<u32>().is_ok());
        if numbered && !indented && words.len() > 1 {
            // `2: eth0@if3: <BROADCAST,UP> mtu 1500 ...`, or with -o `2: eth0    inet 10.0.0.1/24 ...`
            let name = fresh(words[1]).name;
            if found.last().is_none_or(|last| last.name != name) {
                found.push(fresh(words[1]));
            }
        } else if !indented && matches!(words.get(1), Some(&("UP" | "DOWN" | "UNKNOWN" | "LOWERLAYERDOWN"))) {
            // `eth0@if3   UP   10.0.0.1/24 fe80::1/64`
            let mut interface = fresh(first);
            interface.up = words[1] != "DOWN";
            interface.carrier = interface.up && words[1] != "LOWERLAYERDOWN";
            interface.addresses = words[2..].iter().filter_map(|word| word.parse().ok()).collect();
            found.push(interface);
            continue;
        } else if !indented && (words.contains(&"encap:Ethernet") || line.contains("Link encap") || is_new(&words)) {
            let mut interface = fresh(first);
            interface.up = is_new(&words);
            found.push(interface);
        }
        if let Some(interface) = found.last_mut() {
            read(interface, &words);
        }
    }
    found
}

/// `eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500`
fn is_new(words: &[&str]) -> bool {
    words.get(1).is_some_and(|word| word.starts_with("flags="))
}

/// `<BROADCAST,UP>`, `flags=4163<UP,BROADCAST>`; an address of the other family may have `0x20<link>` behind it.
fn flags(word: &str) -> Option<&str> {
    let (before, flags) = word.split_once('<')?;
    (before.is_empty() || before.starts_with("flags=")).then(|| flags.strip_suffix('>'))?
}

/// What a line says of an interface.
fn read(interface: &mut Interface, words: &[&str]) {
    let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1)).copied();
    if let Some(flags) = words.iter().find_map(|word| flags(word)) {
        let flags: Vec<&str> = flags.split(',').collect();
        interface.up = flags.contains(&"UP");
        interface.carrier = !flags.contains(&"NO-CARRIER");
        interface.point_to_point = flags.contains(&"POINTOPOINT");
    }
    let mtu = after("mtu").or_else(|| words.iter().find_map(|word| word.strip_prefix("MTU:")));
    interface.mtu = mtu.and_then(|mtu| mtu.parse().ok()).or(interface.mtu);
    if words.first() == Some(&"UP") {
        // The line of flags of the old ifconfig, which says nothing where the interface is down.
        interface.up = true;
        interface.point_to_point = words.contains(&"POINTOPOINT");
    }
    if let Some(local) = words.first().and_then(|word| word.strip_prefix("link/")).and(words.get(1)) {
        interface.carried = local.parse().ok().zip(after("peer").and_then(|peer| peer.parse().ok()));
    }
    for family in ["inet", "inet6"] {
        // `addr:` is the old ifconfig's, `inet6 addr: fe80::1/64` with a blank.
        let Some(at) = words.iter().position(|word| *word == family) else { continue };
        let Some(address) = words[at + 1..].iter().map(|word| word.trim_start_matches("addr:")).find(|w| !w.is_empty())
        else {
            continue;
        };
        let mask = || {
            let mask = after("netmask").or_else(|| words.iter().find_map(|word| word.strip_prefix("Mask:")))?;
            prefix(mask)
        };
        let length = || after("prefixlen").and_then(|length| length.parse().ok()).or_else(mask);
        let other = after("peer").or_else(|| after("destination").filter(|_| after("netmask").is_some()));
        let other = other.or_else(|| words.iter().find_map(|word| word.strip_prefix("P-t-P:")));
        let bare: Option<IpAddr> = address.split('/').next().and_then(|address| address.parse().ok());
        let net = address.parse::<IpNet>().ok().or_else(|| IpNet::new(bare?, length()?).ok());
        // `inet 10.8.0.2 peer 10.8.0.1/32` has the network at the other end.
        interface.addresses.extend(net.or_else(|| bare.map(IpNet::from)));
        interface.peer = other.and_then(|peer| peer.split('/').next()?.parse().ok()).or(interface.peer);
    }
}

/// The length of `255.255.0.0`, or of `0xffff0000`.
pub(super) fn prefix(mask: &str) -> Option<u8> {
    let mask = match mask.strip_prefix("0x") {
        Some(digits) => Ipv4Addr::from(u32::from_str_radix(digits, 16).ok()?),
        None => mask.parse().ok()?,
    };
    ipnet::ipv4_mask_to_prefix(mask).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IPROUTE2: &str = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host
23: eth0@if24: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP group default
    link/ether 02:42:0a:50:01:0a brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 10.80.1.10/24 brd 10.80.1.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet 10.80.1.11/24 scope global secondary eth0
24: eth1: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default qlen 1000
    link/ether 02:42:0a:50:02:0a brd ff:ff:ff:ff:ff:ff
3: tun0: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1420 qdisc fq_codel state UNKNOWN group default qlen 500
    link/none
    inet 10.8.0.2 peer 10.8.0.1/32 scope global tun0
5: ipip1@NONE: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN group default qlen 1000
    link/ipip 10.80.1.10 peer 10.80.2.10
    inet 10.9.0.1/30 scope global ipip1
";
    const NEW: &str = "eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
        inet 172.17.0.2  netmask 255.255.0.0  broadcast 172.17.255.255
        inet6 fe80::42:acff:fe11:2  prefixlen 64  scopeid 0x20<link>
        RX packets 9  bytes 806 (806.0 B)

tun0: flags=4305<UP,POINTOPOINT,RUNNING,NOARP,MULTICAST>  mtu 1500
        inet 10.8.0.2  netmask 255.255.255.255  destination 10.8.0.1
";
    const OLD: &str = "eth0      Link encap:Ethernet  HWaddr 02:42:AC:11:00:02
          inet addr:172.17.0.2  Bcast:172.17.255.255  Mask:255.255.0.0
          inet6 addr: fe80::42:acff:fe11:2/64 Scope:Link
          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1
          RX packets:8 errors:0 dropped:0 overruns:0 frame:0

eth1      Link encap:Ethernet  HWaddr 02:42:AC:11:00:03
          BROADCAST MULTICAST  MTU:1500  Metric:1
";

    /// `name up mtu addresses peer`.
    fn says(text: &str) -> Vec<String> {
        let one = |i: &Interface| {
            let addresses: Vec<String> = i.addresses.iter().map(ToString::to_string).collect();
            let peer = i.peer.map(|peer| format!(" peer {peer}")).unwrap_or_default();
            format!("{} {} {} {}{peer}", i.name, i.up, i.mtu.unwrap_or_default(), addresses.join(","))
        };
        parse("f", text).iter().map(one).collect()
    }

    #[test]
    fn ip_addr() {
        let expected = [
            "lo true 65536 127.0.0.1/8,::1/128",
            "eth0 true 1400 10.80.1.10/24,10.80.1.11/24",
            "eth1 false 1500 ",
            "tun0 true 1420 10.8.0.2/32 peer 10.8.0.1",
            "ipip1 true 1480 10.9.0.1/30",
        ];
        assert_eq!(says(IPROUTE2), expected);
        let found = parse("f", IPROUTE2);
        assert_eq!(found[4].carried.map(|(_, to)| to.to_string()).as_deref(), Some("10.80.2.10"));
        assert!(found[3].point_to_point && !found[1].point_to_point && found[0].is_loopback());
        assert_eq!(found[1].line, 6);
    }

    #[test]
    fn other_forms() {
        let short = "lo   UNKNOWN  127.0.0.1/8 ::1/128\neth0@if7  UP  10.0.0.5/24 fe80::1/64\neth1  DOWN\n";
        assert_eq!(
            says(short),
            ["lo true 0 127.0.0.1/8,::1/128", "eth0 true 0 10.0.0.5/24,fe80::1/64", "eth1 false 0 "]
        );
        let one_line = "1: lo    inet 127.0.0.1/8 scope host lo\\ valid_lft forever\n2: eth0    inet 10.0.0.5/24 scope global eth0\n2: eth0    inet6 fe80::1/64 scope link\n";
        assert_eq!(says(one_line), ["lo true 0 127.0.0.1/8", "eth0 true 0 10.0.0.5/24,fe80::1/64"]);
        assert_eq!(
            says(NEW),
            ["eth0 true 1500 172.17.0.2/16,fe80::42:acff:fe11:2/64", "tun0 true 1500 10.8.0.2/32 peer 10.8.0.1"]
        );
        assert_eq!(says(OLD), ["eth0 true 1500 172.17.0.2/16,fe80::42:acff:fe11:2/64", "eth1 false 1500 "]);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), cut in 0usize..900) {
            parse("f", &text);
            for whole in [IPROUTE2, NEW, OLD] {
                let names = |text: &str| parse("f", text).into_iter().map(|i| i.name).collect::<Vec<_>>();
                let some = &whole[..cut.min(whole.len())];
                let lines = &some[..some.rfind('\n').map_or(0, |at| at + 1)];
                parse("f", some);
                prop_assert!(names(whole).starts_with(&names(lines)));
            }
        }
    }
}
