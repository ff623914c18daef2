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
pub(super) const SERVER_FACTS: [ServerFact; 1] =
    [fact("nginx", "nginx.conf.txt", "nginx -T 2>/dev/null | grep -v -e '^ *#' -e '^ *$'")];

const fn fact(unit: &'static str, file: &'static str, command: &'static str) -> ServerFact {
    ServerFact { unit, file, command }
}
