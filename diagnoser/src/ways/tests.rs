use crate::{
    evidence::{Evidence, Protocol},
    model::Model,
    sketch::evidence,
    ways::{Direction, Ways, bottlenecks, ways},
};

const OFFICE: &str = "machine client 10.80.1.10/24 via 10.80.1.1
    machine router 10.80.1.1/24 10.80.2.1/24
    machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80";

fn walked(more: &str, look: impl FnOnce(&Model<'_>, &Ways) -> String) -> String {
    let evidence = Evidence::from_files(&evidence(&format!("{OFFICE}\n{more}"))).unwrap();
    let model = Model::new(&evidence);
    let found = ways(&model, "client", "10.80.2.10".parse().unwrap(), 80, Protocol::Tcp);
    look(&model, &found)
}

/// Both ways in short: the machines and the end, there and back.
fn told(more: &str) -> String {
    walked(more, |_, ways| {
        let told = ways.each().map(|(_, way)| {
            let hosts: Vec<&str> = way.hosts().collect();
            let lacks: Vec<String> = way.all_lacks().into_iter().map(|lack| lack.what).collect();
            format!("{}: {} {}", hosts.join(" "), way.end.says(), lacks.join(" ")).trim().to_owned()
        });
        let mut told = told.collect::<Vec<_>>().join(" | ");
        if let Some((_, end)) = &ways.later {
            told += &format!(" | later {}", end.says());
        }
        told
    })
}

#[test]
fn over_a_router_and_back() {
    assert_eq!(told(""), "client router app: arrives | app router client: arrives");
}

#[test]
fn filters_at_each_end_and_between() {
    let rule = "ip daddr 10.80.2.10 tcp dport 80 drop";
    assert_eq!(told(&format!("filter client output {rule}")), "client: dropped at output");
    assert_eq!(told(&format!("filter router forward {rule}")), "client router: dropped at forward");
    let at_app = "client router app: dropped at input | app router client: arrives";
    assert_eq!(told(&format!("filter app input {rule}")), at_app);
    let refused = "filter app input tcp dport 80 reject with icmp type host-prohibited";
    assert_eq!(told(refused), "client router app: refused at input | app router client: arrives");
    assert_eq!(told("filter app output tcp sport 80 drop"), "client router app: arrives | app: dropped at output");
    assert_eq!(
        told("filter router forward iifname \"eth1\" drop"),
        "client router app: arrives | app router: dropped at forward"
    );
    assert_eq!(told("filter router forward iifname \"eth7\" drop"), told(""));
    let stateful = "filter router forward ct state established,related accept\nfilter router forward iifname eth0 accept\nfilter router forward policy drop";
    assert_eq!(told(stateful), told(""));
}

#[test]
fn routes_that_lead_elsewhere() {
    assert_eq!(told("route client - default via 10.80.1.1 dev eth0"), "client: no route");
    assert_eq!(told("route client blackhole 10.80.2.0/25"), "client: its route leads nowhere");
    assert_eq!(
        told("route client 10.80.2.0/24 via 10.80.1.77 dev eth0"),
        "client: leaves to 10.80.1.77, which no known machine has"
    );
    assert_eq!(told("route app - default via 10.80.2.1 dev eth0"), "client router app: arrives | app: no route");
}

#[test]
fn what_is_not_known_is_lacking() {
    assert_eq!(
        told("without hosts/router/nft.txt"),
        "client router app: arrives hosts/router/nft.txt | app router client: arrives hosts/router/nft.txt"
    );
    assert_eq!(
        told("without hosts/client/ip-route.txt"),
        "client: unknown without hosts/client/ip-route.txt hosts/client/ip-route.txt"
    );
    assert_eq!(
        told("without hosts/router/ip-addr.txt"),
        "client: unknown without hosts/router/ip-addr.txt hosts/router/ip-addr.txt"
    );
    assert_eq!(
        told("file hosts/client/ip-rule.txt | 100: from all to 10.80.2.0/24 lookup 7 | 32766: from all lookup main"),
        "client: unknown without hosts/client/ip-route-all.txt hosts/client/ip-route-all.txt"
    );
}

#[test]
fn a_host_that_forwards_nothing() {
    assert_eq!(
        told(
            "file hosts/router/sysctl.txt | net.ipv4.ip_forward = 0 | net.ipv4.conf.all.rp_filter = 0 | net.ipv4.conf.eth0.rp_filter = 0"
        ),
        "client router: forwards nothing"
    );
}

const SECOND: &str = "machine second 10.80.1.2/24 10.80.2.2/24
    route app - default via 10.80.2.1 dev eth0
    route app default via 10.80.2.2 dev eth0";

#[test]
fn asymmetric_ways() {
    assert_eq!(told(SECOND), "client router app: arrives | app second client: arrives");
    assert_eq!(
        walked(SECOND, |_, ways| format!("{:?}", ways.one_way_only())),
        format!("{:?}", vec![(Direction::There, "router"), (Direction::Back, "second")])
    );
    // Who sees the answer alone takes it for invalid.
    let stateful = |host: &str| {
        format!(
            "{SECOND}\nfilter {host} forward ct state established accept\nfilter {host} forward ct state new accept\nfilter {host} forward policy drop"
        )
    };
    assert_eq!(told(&stateful("second")), "client router app: arrives | app second: dropped at forward");
    // Who sees the question alone lets the first packet through and no other.
    assert_eq!(
        told(&stateful("router")),
        "client router app: arrives | app second client: arrives | later dropped at forward"
    );
}

#[test]
fn reverse_path_filtering() {
    // The server answers by another interface than the question came in by.
    let two = "machine app 10.80.2.10/24 10.80.3.10/24 via 10.80.2.1 listens 0.0.0.0:80
        machine router 10.80.1.1/24 10.80.2.1/24 10.80.3.1/24
        route app 10.80.1.0/24 via 10.80.3.1 dev eth1";
    assert_eq!(told(two), "client router app: arrives | app router client: arrives");
    let strict =
        |all: u8, own: &str| format!("{two}\nfile hosts/app/sysctl.txt | net.ipv4.conf.all.rp_filter = {all} {own}");
    assert_eq!(
        told(&strict(1, "| net.ipv4.conf.eth0.rp_filter = 0")),
        "client router app: came in by an interface that it does not answer by | app router client: arrives"
    );
    assert_eq!(told(&strict(0, "")), "client router app: arrives hosts/app/sysctl.txt | app router client: arrives");
    assert_eq!(told(&strict(2, "")), "client router app: arrives | app router client: arrives");
}

#[test]
fn translated_sources_come_back_to_the_translator() {
    let masked = "filter router postrouting oifname \"eth1\" masquerade
        route app - default via 10.80.2.1 dev eth0";
    assert_eq!(told(masked), "client router app: arrives | app router client: arrives");
}

#[test]
fn the_narrowest_link_and_who_is_told() {
    let narrow = "file hosts/router/ip-addr.txt | 1: eth0: <UP> mtu 1500 | inet 10.80.1.1/24 | 2: eth1: <UP> mtu 1300 | inet 10.80.2.1/24
        file hosts/app/ip-addr.txt | 1: eth0: <UP> mtu 1500 | inet 10.80.2.10/24";
    let says = |more: &str| {
        walked(&format!("{narrow}\n{more}"), |model, ways| {
            let each = bottlenecks(model, ways).into_iter().map(|found| {
                let told = found.told.map_or("nobody".to_owned(), |end| end.says());
                format!("{:?} {} {} of {}: {told}", found.direction, found.host, found.mtu, found.sent)
            });
            each.collect::<Vec<_>>().join(" | ")
        })
    };
    assert_eq!(says(""), "There router 1300 of 1500: arrives | Back router 1300 of 1500: nobody");
    assert_eq!(
        says("filter client input icmp type destination-unreachable drop"),
        "There router 1300 of 1500: dropped at input | Back router 1300 of 1500: nobody"
    );
}
