//! `services/<machine>/<name>`: what a server says of itself, over its own protocol or out of its configuration.

/// One thing a server says.
pub(super) struct ServerFact {
    /// The unit that it runs as.
    pub unit: &'static str,
    /// The name of the file.
    pub file: &'static str,
    /// The command that asks for it, on the server's own machine.
    pub command: &'static str,
}

/// Everything that is asked, sorted by unit and file.
pub(super) const SERVER_FACTS: [ServerFact; 3] = [
    fact("haproxy", "haproxy-stat.txt", "echo 'show stat' | timeout 3 nc -U /run/haproxy/admin.sock | cut -d, -f1,2,5,7,8,14,18,22,23,37,38,57,74"),
    fact("haproxy", "haproxy.cfg.txt", "cat /etc/haproxy/haproxy.cfg"),
    // The lines that say which file follows are kept.
    fact("nginx", "nginx.conf.txt", "nginx -T 2>/dev/null | grep -e '^# configuration file' -e '^ *[^# ]'"),
];

const fn fact(unit: &'static str, file: &'static str, command: &'static str) -> ServerFact {
    ServerFact { unit, file, command }
}
