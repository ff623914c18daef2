//! `hosts/<machine>/<fact>.txt`: what ordinary commands print on a machine of a world.

/// Facts by name, with the command of each; `{since}` is when the run began, in seconds.
pub(super) const FACTS: [(&str, &str); 19] = [
    ("conntrack", "conntrack -S"),
    ("df", "df -P"),
    ("df-inodes", "df -iP"),
    ("dmesg", DMESG),
    ("free", "free -b"),
    ("hosts-file", "cat /etc/hosts"),
    ("ip-addr", "ip addr"),
    ("ip-link", "ip -s link"),
    ("ip-route", "ip route"),
    ("ip-rule", "ip rule"),
    ("nproc", "nproc"),
    ("ps", "ps -eo pid,etimes,rss,pcpu,unit,comm --sort=-rss | head -n 12"),
    ("resolv", "cat /etc/resolv.conf"),
    ("ss", "ss -tlnp | grep -v 127.0.0.11"),
    ("sysctl", SYSCTL),
    ("systemctl", UNITS),
    ("tc", "tc -s qdisc"),
    ("uname", "uname -a"),
    ("uptime", "uptime"),
];

/// Facts that are taken only when the diagnoser asks, because they take time, or are long.
const ASKED: [(&str, &str); 8] = [
    ("conntrack-list", "conntrack -L 2>&1 | head -n 400"),
    ("cpu", CPU),
    ("ip-route-all", "ip route show table all"),
    ("large-files", LARGE),
    ("nft", "nft -a list ruleset 2>/dev/null || iptables-save"),
    ("ps-cpu", "ps -eo pid,etimes,rss,pcpu,unit,comm --sort=-pcpu | head -n 16"),
    ("ss-all", "ss -tan"),
    ("tcpdump", "timeout 6 tcpdump -n -tttt -i any -c 150 'tcp or icmp' 2>&1; true"),
];

/// Without what the service manager brings along for itself.
const UNITS: &str = "systemctl list-units --type=service --all --plain --no-legend --no-pager | \
                     grep -v -e '^systemd-' -e '^initrd-' -e ' not-found ' -e ' masked '";

/// The quota of the machine and how often it was held back, before and after looking at its CPUs for two seconds; in the
/// places of both versions of control groups.
const CPU: &str = "quota() { (cd /sys/fs/cgroup && grep -s -H -E . cpu.max cpu.stat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.stat); }; \
                   quota; vmstat 2 2; quota; true";

/// On file systems with less than a twentieth left: the largest files, when each was written last and whose it is.
const LARGE: &str = "df -P | awk 'NR > 1 && $2 > 0 && $4 * 20 < $2 { print $6 }' | sort -u | while read -r mount; do \
                     find \"$mount\" -xdev -type f -size +512k -printf '%s %TY-%Tm-%TdT%TH:%TM:%.2TS %u %p\\n'; done | \
                     sort -rn | head -n 8";

/// Facts of one machine about another, which the diagnoser asks for by name and host (`ssh-v-app.example.test`).
const ASKED_OF: [(&str, &str); 2] = [("ssh-G-", SSH_G), ("ssh-v-", SSH_V)];

/// What the client's configuration says of a log-in, and where it stands.
const SSH_G: &str = "ssh -G {of} | grep -E '^(host|user|hostname|port|identityfile|identitiesonly|proxyjump|proxycommand) '; \
                     grep -n '' /dev/null ~/.ssh/config 2>/dev/null; true";
/// A log-in as the client tells it, without what both sides agree on.
const SSH_V: &str = "timeout 10 ssh -v -o BatchMode=yes -o ConnectTimeout=5 {of} true 2>&1 | \
                     grep -v -E ' (kex|rekey|SSH2_MSG|expecting|compat|load_hostkeys|identity file|Will attempt key|get_agent|Sending|pledge|client_input|ssh_packet|Reading conf|fd [0-9])'; true";

/// The kernel's log is one for all machines of this kind; who is meant stands in the path of its control group.
const DMESG: &str = "id=$(sed -n 's#.*/containers/\\([0-9a-f]\\{12\\}\\).*#\\1#p' /proc/self/mountinfo | head -n 1); \
                     dmesg --time-format iso --since @{since} | awk -v id=\"$id\" '/oom-kill:/ { own = id != \"\" && index($0, id) } \
                     /oom-kill:|[Oo]ut of memory: Killed/ { if (own) print; next } /oom_reaper/ { if (own) print }'";

const SYSCTL: &str = "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max net.ipv4.ip_local_port_range \
                      net.ipv4.ip_forward net.ipv4.tcp_tw_reuse net.ipv4.tcp_fin_timeout net.core.somaxconn 2>/dev/null; \
                      sysctl -a -r 'net.ipv4.conf.*.rp_filter' 2>/dev/null; true";

/// The command of a fact.
pub(super) fn command_of(fact: &str) -> Option<String> {
    let known = ASKED.iter().chain(&FACTS).find(|(name, _)| *name == fact);
    known.map(|(_, command)| (*command).to_owned()).or_else(|| about(fact))
}

/// The command of a fact about another machine.
fn about(fact: &str) -> Option<String> {
    let (of, command) = ASKED_OF.iter().find_map(|(name, command)| Some((fact.strip_prefix(name)?, command)))?;
    let plain = of.starts_with(|c: char| c.is_ascii_alphanumeric())
        && of.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
    plain.then(|| command.replace("{of}", of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_about_another_machine_runs_no_other_command() {
        assert!(about("ssh-v-app.example.test").is_some_and(|command| command.contains(" app.example.test true")));
        assert_eq!(about("ssh-v-app; true"), None);
        assert_eq!(about("ssh-v--oProxyCommand=x"), None);
    }
}
