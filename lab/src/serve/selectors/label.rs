//! Label selectors as text, `app=web,tier in (a, b),!canary` (k8s.io/apimachinery/pkg/labels/selector.go), and selectors of
//! objects written as such text.

use serde_json::Value;

/// Requirements that all must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::serve) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    is: Is,
}

#[derive(Debug, PartialEq, Eq)]
enum Is {
    There,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl LabelSelector {
    /// # Errors
    /// When the text is no selector, with what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let requirements = split(text).into_iter().map(str::trim).filter(|part| !part.is_empty()).map(requirement);
        requirements.collect::<Result<_, _>>().map(Self)
    }

    /// Whether an object's labels fulfil it.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.0.iter().all(|requirement| {
            let label = labels[&requirement.key].as_str();
            let number = || label.and_then(|label| label.parse::<i64>().ok());
            match &requirement.is {
                Is::There => label.is_some(),
                Is::Absent => label.is_none(),
                Is::In(values) => label.is_some_and(|label| values.iter().any(|value| value == label)),
                Is::NotIn(values) => label.is_none_or(|label| values.iter().all(|value| value != label)),
                Is::Above(limit) => number().is_some_and(|number| number > *limit),
                Is::Below(limit) => number().is_some_and(|number| number < *limit),
            }
        })
    }
}

/// The requirements: what stands between commas that are not in parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let wrong = || format!("unable to parse requirement: {text}");
    let made = |key: &str, is: Is| {
        let key = key.trim();
        let fits =
            !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter));
        if fits { Ok(Requirement { key: key.to_owned(), is }) } else { Err(wrong()) }
    };
    if let Some(key) = text.strip_prefix('!') {
        return made(key, Is::Absent);
    }
    if let Some((words, values)) = text.split_once('(') {
        let values = values.trim_end().strip_suffix(')').ok_or_else(wrong)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        return match words.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => made(key, Is::In(values)),
            [key, "notin"] => made(key, Is::NotIn(values)),
            _ => Err(wrong()),
        };
    }
    let value = |value: &str| value.trim().to_owned();
    let number = |value: &str| value.trim().parse::<i64>().map_err(|_| wrong());
    if let Some((key, other)) = text.split_once("!=") {
        return made(key, Is::NotIn(vec![value(other)]));
    }
    if let Some((key, same)) = text.split_once('=') {
        return made(key, Is::In(vec![value(same.strip_prefix('=').unwrap_or(same))]));
    }
    if let Some((key, limit)) = text.split_once('>') {
        return made(key, Is::Above(number(limit)?));
    }
    if let Some((key, limit)) = text.split_once('<') {
        return made(key, Is::Below(number(limit)?));
    }
    made(text, Is::There)
}

/// An object's selector (`matchLabels`, `matchExpressions`) as text; empty where it selects everything.
pub(in crate::serve) fn shown(selector: &Value) -> String {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let mut parts: Vec<(String, String)> =
        equal.map(|(key, value)| (key.clone(), format!("{key}={}", value.as_str().unwrap_or_default()))).collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let part = match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        };
        parts.push((key.to_owned(), part));
    }
    parts.sort();
    parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_kubernetes_reads_them() {
        let pod = json!({"metadata": {"labels": {"app": "web", "rank": "3"}}});
        let matches = |text: &str| LabelSelector::parse(text).expect(text).matches(&pod);
        for text in [
            "",
            "app",
            "app=web",
            "app==web",
            "app in (web, api),rank",
            "!tier",
            "tier!=a",
            "tier notin (a)",
            "rank>2",
            "rank<4",
        ] {
            assert!(matches(text), "{text}");
        }
        for text in
            ["!app", "app=api", "app!=web", "app notin (web,api)", "tier", "tier in (a)", "rank>3", "app=web,tier=a"]
        {
            assert!(!matches(text), "{text}");
        }
        for text in ["app in web", "app in (web", "=web", "a b", "rank>x"] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_objects_selector_is_written_in_the_order_of_its_keys() {
        let selector = json!({"matchLabels": {"tier": "a", "app": "web"},
            "matchExpressions": [{"key": "b", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}]});
        assert_eq!(shown(&selector), "app=web,b in (x,y),!c,tier=a");
        assert_eq!(shown(&json!({})), "");
    }
}
