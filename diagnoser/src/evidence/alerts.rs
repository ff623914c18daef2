//! `alerts.json`: what a monitoring system raised, as it wrote it. Its words are used for what nothing else says: who suffers.

use crate::json::Value;

use super::{Citation, EvidenceError, parse_json};

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whom it is about, by the name that the monitoring system knows it by.
    pub entity: String,
    /// What it says.
    pub says: String,
    /// The status of the answers it is about, where it names one.
    pub status: Option<u16>,
    /// The path of the requests it is about.
    pub path: Option<String>,
    /// Where it stands.
    pub cited: Citation,
}

/// Parses the file: an array of objects, or an object that has it as `alerts` or `data`. What names nobody is left alone.
pub(super) fn parse(text: &str) -> Result<Vec<Alert>, EvidenceError> {
    let whole: Value = parse_json("alerts.json", text)?;
    let (list, at) = match &whole {
        Value::Array(list) => (&**list, ""),
        _ => ["alerts", "data"].iter().find_map(|key| Some((whole[*key].as_array()?, *key))).unwrap_or_default(),
    };
    let at = if at.is_empty() { String::new() } else { format!("/{at}") };
    Ok(list.iter().enumerate().filter_map(|(index, alert)| one(alert, format!("{at}/{index}"))).collect())
}

fn one(alert: &Value, pointer: String) -> Option<Alert> {
    let text = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| alert.pointer(key)?.as_str().filter(|text| !text.is_empty()));
        found.map(str::to_owned)
    };
    let entity = text(&[
        "/entity_name",
        "/entry_service",
        "/labels/service",
        "/labels/deployment",
        "/labels/statefulset",
        "/labels/pod",
        "/service",
        "/name",
    ])?;
    let said: Vec<&str> = alert["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let plain =
        text(&["/raw_error", "/annotations/summary", "/annotations/description", "/message", "/metric_category"]);
    let says = if said.is_empty() { plain.unwrap_or_else(|| "an alert".to_owned()) } else { said.join("; ") };
    let says: String = says.chars().take(2000).collect();
    let mut words = says.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| word.parse::<u16>().ok());
    // A number that stands beside the words of a status, and not just any.
    let status = text(&["/raw_error"]).and_then(|_| words.find(|status| (400..600).contains(status)));
    let path = text(&["/url", "/path", "/labels/path"]);
    let cited =
        Citation::new("alerts.json", pointer, format!("{entity}: {}", says.chars().take(200).collect::<String>()));
    Some(Alert { entity, says, status, path, cited })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let raised =
            |text| parse(text).map(|alerts| alerts.into_iter().map(|a| (a.entity, a.status)).collect::<Vec<_>>());
        let web = |status| Ok(vec![("web".to_owned(), status)]);
        assert_eq!(raised(r#"[{"entity_name":"web","evidence":["late: 500ms"]}]"#), web(None));
        assert_eq!(raised(r#"[{"entry_service":"web","raw_error":"Error('503 Server Error')"}]"#), web(Some(503)));
        assert_eq!(raised(r#"{"alerts":[{"labels":{"service":"web"},"annotations":{"summary":"x"}}]}"#), web(None));
        assert_eq!(raised(r#"[{"x":1}, 7]"#), Ok(vec![]));
        assert_eq!(raised(r#""text""#), Ok(vec![]));
        assert!(parse("[{").is_err());
    }
}
