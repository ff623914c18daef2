//! How long ago, as Kubernetes writes it (k8s.io/apimachinery/pkg/util/duration, HumanDuration): `42s`, `5m3s`, `2d4h`.

use jiff::Timestamp;
use serde_json::Value;

/// The time from `then` to `now`; `<unknown>` where there is no time.
pub(super) fn since(then: &Value, now: Timestamp) -> String {
    match then.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(then) => human(now.duration_since(then).as_secs()),
        None => "<unknown>".to_owned(),
    }
}

/// So many seconds, in the two largest units that matter.
pub(super) fn human(seconds: i64) -> String {
    let two = |large: i64, unit: &str, small: i64, rest: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{rest}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        // Clocks may differ a little.
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(hours / 24, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{}d", hours / 24),
        63_072_000..252_288_000 => two(hours / 8760, "y", hours / 24 % 365, "d"),
        _ => format!("{}y", hours / 8760),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kubernetes_writes_them() {
        const DAY: i64 = 86_400;
        let cases = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (303, "5m3s"),
            (3600, "60m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 300, "3h5m"),
            (47 * 3600, "47h"),
            (2 * DAY, "2d"),
            (2 * DAY + 4 * 3600, "2d4h"),
            (9 * DAY + 3600, "9d"),
            (3 * 365 * DAY + 2 * DAY, "3y2d"),
            (9 * 365 * DAY, "9y"),
        ];
        for (seconds, wanted) in cases {
            assert_eq!(human(seconds), wanted, "{seconds}");
        }
    }

    #[test]
    fn a_time_that_is_not_there_is_unknown() {
        let now = "2026-11-24T13:50:43.6Z".parse().expect("a time");
        assert_eq!(since(&Value::Null, now), "<unknown>");
        assert_eq!(since(&"2026-11-24T13:50:01Z".into(), now), "42s");
    }
}
