//! One JSON object a line on stdout, the same fields at every hop.

use std::sync::OnceLock;

use jiff::{
    Timestamp, Zoned,
    tz::{Offset, TimeZone},
};
use serde::{Serialize, Serializer};

/// The offset from UTC in which times are written: LOG_OFFSET, as `+09:00`.
static OFFSET: OnceLock<Offset> = OnceLock::new();

/// A moment, written as this process writes times.
pub struct Moment(Zoned);

/// This moment.
pub fn now() -> Moment {
    let offset =
        OFFSET.get_or_init(|| std::env::var("LOG_OFFSET").ok().and_then(|text| offset(&text)).unwrap_or(Offset::UTC));
    Moment(Timestamp::now().to_zoned(TimeZone::fixed(*offset)))
}

/// `+09:00`, `-05:30`.
fn offset(text: &str) -> Option<Offset> {
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    Offset::from_seconds(if text.starts_with('-') { -seconds } else { seconds }).ok()
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.offset() == Offset::UTC {
            return self.0.timestamp().serialize(serializer);
        }
        serializer.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z"))
    }
}

/// A request as this hop saw it.
#[derive(Serialize)]
pub struct Record<'a> {
    /// When it ended.
    pub time: Moment,
    /// Which hop this is.
    pub hop: &'a str,
    /// The request id that all hops share.
    pub id: &'a str,
    /// The HTTP method, or what else was done: `QUERY`, `PRODUCE`, `INSERT`, `LOGIN`, `CONNECT`.
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
    /// The user it is for, by tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The address that answered, as the client of a name saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<&'a str>,
    /// How it ended, where it was no HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'a str>,
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
    print(&serde_json::json!({"time": now(), "level": level, "message": text}));
}

/// Writes anything as one line of JSON.
pub fn print(value: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(value) {
        println!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_in_another_place() {
        let moment: Timestamp = "2026-11-23T15:30:00.25Z".parse().unwrap();
        let there = Moment(moment.to_zoned(TimeZone::fixed(offset("+09:00").unwrap())));
        assert_eq!(serde_json::to_string(&there).unwrap(), "\"2026-11-24T00:30:00.250000+09:00\"");
        assert_eq!(offset("-05:30").map(Offset::seconds), Some(-19800));
    }
}
