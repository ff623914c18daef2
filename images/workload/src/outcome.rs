//! How a connection or request ended, in the words of the evidence folder's `probes.json`.

use std::{error::Error, io};

/// The outcome of a failed request. `None` where it is an error of another kind.
pub fn of_request(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "timeout";
    }
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let outcome = of_io(io);
            if outcome != "failed" {
                return outcome;
            }
        }
        if inner.to_string().contains("dns error") {
            return "name-not-found";
        }
        source = inner.source();
    }
    "failed"
}

/// The outcome of a failed connection.
pub fn of_io(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => "reset",
        io::ErrorKind::TimedOut => "timeout",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "unreachable",
        _ if error.to_string().contains("failed to lookup address") => "name-not-found",
        _ => "failed",
    }
}

/// The innermost words of an error.
pub fn words(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// `host:port` of a URL, the port always written.
pub fn authority(url: &reqwest::Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// `500ms`, `3s`, `2m`, or seconds as a number.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let factor = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("`{unit}` is no unit of time; use ms, s or m")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is no duration; write 500ms or 3s"))?;
    std::time::Duration::try_from_secs_f64(number * factor).map_err(|error| error.to_string())
}
