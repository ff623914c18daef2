//! One JSON object a line on stdout, the same fields at every hop.

use serde::Serialize;

/// A request as this hop saw it.
#[derive(Serialize)]
pub struct Record<'a> {
    /// When it ended, UTC.
    pub time: jiff::Timestamp,
    /// Which hop this is.
    pub hop: &'a str,
    /// The request id that all hops share.
    pub id: &'a str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path of the URL.
    pub path: &'a str,
    /// Size of the request's body in bytes.
    pub bytes: u64,
    /// The status answered or got; null where none came.
    pub status: Option<u16>,
    /// How long it took.
    pub seconds: f64,
    /// Where it was sent on to, `host:port`.
    pub upstream: Option<&'a str>,
    /// Who asked.
    pub client: Option<&'a str>,
    /// What went wrong: `timeout`, `refused`, `reset`, `dns` ... and the words of the system.
    pub error: Option<&'a str>,
}

impl Record<'_> {
    /// Writes the line.
    pub fn write(&self) {
        print(self);
    }
}

/// A line that is no request.
pub fn message(level: &str, text: &str) {
    print(&serde_json::json!({"time": jiff::Timestamp::now(), "level": level, "message": text}));
}

/// Writes anything as one line of JSON.
pub fn print(value: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(value) {
        println!("{line}");
    }
}
