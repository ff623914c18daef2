//! nginx's configuration, as far as causes read it: directives with their places, and which of them answers a request by
//! itself.
//!
//! Source: nginx.org, ngx_http_core_module, "location" (order of precedence), ngx_http_rewrite_module ("if", "return"),
//! ngx_http_access_module ("deny").

use crate::symptoms::Asked;

/// A directive and its block.
#[derive(Clone, Debug, Default)]
pub(super) struct Directive {
    /// Name and arguments, without quotes.
    pub words: Vec<String>,
    /// The directives in its block.
    pub block: Vec<Self>,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, its semicolon or brace included.
    pub end: usize,
}

impl Directive {
    /// Its name.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// An argument of the form `key=value`.
    pub fn argument(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// As it is written, on one line.
    pub fn says(&self) -> String {
        self.words.join(" ")
    }
}

/// The directives of a file; whatever is no configuration of nginx gives some that mean nothing.
pub(super) fn parse(text: &str) -> Vec<Directive> {
    let mut open: Vec<Directive> = vec![Directive::default()];
    let mut current = Directive::default();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let c = rest.chars().next().unwrap_or(' ');
        if c == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        if current.words.is_empty() {
            current.start = at;
        }
        match c {
            ';' | '}' => {
                at += 1;
                let mut done = std::mem::take(&mut current);
                if c == '}' && open.len() > 1 {
                    done = open.pop().unwrap_or_default();
                }
                done.end = at;
                if let Some(parent) = open.last_mut()
                    && !done.words.is_empty()
                {
                    parent.block.push(done);
                }
            }
            '{' => {
                at += 1;
                open.push(std::mem::take(&mut current));
            }
            '"' | '\'' => {
                let inside = &rest[1..];
                let end = inside.find(c).unwrap_or(inside.len());
                current.words.push(inside[..end].to_owned());
                at += (end + 2).min(rest.len());
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ';' | '{' | '}')).unwrap_or(rest.len());
                current.words.push(rest[..end].to_owned());
                at += end.max(1);
            }
        }
    }
    open.into_iter().next().map(|root| root.block).unwrap_or_default()
}

/// Every directive of a name, wherever it stands.
pub(super) fn all<'d>(directives: &'d [Directive], name: &str) -> Vec<&'d Directive> {
    let mut found = Vec::new();
    for directive in directives {
        if directive.name() == name {
            found.push(directive);
        }
        found.extend(all(&directive.block, name));
    }
    found
}

/// The directive that answers this request by itself with this status: a location, a condition, or the answer itself where
/// it stands in neither.
pub(super) fn answers<'d>(directives: &'d [Directive], asked: &Asked, status: u16) -> Option<&'d Directive> {
    let servers = all(directives, "server");
    let names = |server: &Directive| {
        let named = server.block.iter().filter(|d| d.name() == "server_name");
        named.flat_map(|d| d.words[1..].to_vec()).collect::<Vec<_>>()
    };
    let by_name = servers.iter().copied().find(|server| names(server).contains(&asked.host));
    let server = by_name.or_else(|| servers.first().copied())?;
    within(&server.block, asked, status)
}

fn within<'d>(block: &'d [Directive], asked: &Asked, status: u16) -> Option<&'d Directive> {
    if let Some(directive) = itself(block, asked, status) {
        return Some(directive);
    }
    let location = location(block, &asked.path)?;
    let inside = within(&location.block, asked, status)?;
    // The answer is the whole of what the location is for, unless a condition of it decides.
    Some(if inside.name() == "if" || inside.name() == "location" { inside } else { location })
}

/// What answers in this block, locations aside.
fn itself<'d>(block: &'d [Directive], asked: &Asked, status: u16) -> Option<&'d Directive> {
    block.iter().find(|directive| match directive.name() {
        "return" => directive.words.get(1).is_some_and(|code| *code == status.to_string()),
        "deny" => {
            status == 403
                && directive.words.get(1).is_some_and(|who| who == "all")
                && !block.iter().any(|d| d.name() == "allow")
        }
        "if" => holds(&directive.words[1..], asked) && itself(&directive.block, asked, status).is_some(),
        _ => false,
    })
}

/// Whether a condition on the path or the method holds; what it says of anything else is not known here.
fn holds(words: &[String], asked: &Asked) -> bool {
    let condition = words.join(" ");
    let Some(inside) = condition.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else { return false };
    let mut parts = inside.split_whitespace();
    let (Some(variable), Some(operator), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let actual = match variable {
        "$uri" | "$request_uri" | "$document_uri" => &asked.path,
        "$request_method" => &asked.method,
        _ => return false,
    };
    match operator {
        "=" => actual == value,
        "!=" => actual != value,
        "~" => matches(value, false, actual),
        "~*" => matches(value, true, actual),
        _ => false,
    }
}

/// The location that a path goes to.
fn location<'d>(block: &'d [Directive], path: &str) -> Option<&'d Directive> {
    let locations: Vec<(&Directive, &str, &str)> = block
        .iter()
        .filter(|directive| directive.name() == "location")
        .filter_map(|directive| match &directive.words[1..] {
            [prefix] => Some((directive, "", prefix.as_str())),
            [modifier, pattern] => Some((directive, modifier.as_str(), pattern.as_str())),
            _ => None,
        })
        .collect();
    let exact = locations.iter().find(|(_, modifier, own)| *modifier == "=" && *own == path);
    let prefixes = locations.iter().filter(|(_, m, own)| matches!(*m, "" | "^~") && path.starts_with(own));
    let longest = prefixes.max_by_key(|(_, _, own)| own.len());
    let expression = || locations.iter().find(|(_, m, own)| matches!(*m, "~" | "~*") && matches(own, *m == "~*", path));
    let first = match (exact, longest) {
        (Some(exact), _) => Some(exact),
        (None, Some(longest)) if longest.1 == "^~" => Some(longest),
        (None, longest) => expression().or(longest),
    };
    first.map(|(directive, _, _)| *directive)
}

fn matches(pattern: &str, any_case: bool, text: &str) -> bool {
    regex::RegexBuilder::new(pattern).case_insensitive(any_case).build().is_ok_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_decides_as_in_nginx() {
        let asked = |method: &str, path: &str| Asked {
            method: method.to_owned(),
            host: "a.test".to_owned(),
            path: path.to_owned(),
        };
        let text = r#"http { # comment; {
            server { listen 80;
                location = /ok { return 200 "ok;}\n"; }
                location ^~ /static { proxy_pass http://x; }
                location ~* (select|order) { return 404; }
                location /closed { deny all; }
                location / { if ($request_method = DELETE) { return 405; } proxy_pass http://x; } } }"#;
        let config = parse(text);
        let answer = |method: &str, path: &str, status: u16| {
            answers(&config, &asked(method, path), status).map(|d| text[d.start..d.end].to_owned())
        };
        assert_eq!(answer("GET", "/Orders", 404).as_deref(), Some("location ~* (select|order) { return 404; }"));
        assert_eq!(answer("GET", "/static/orders", 404), None);
        assert_eq!(answer("GET", "/", 404), None);
        assert_eq!(answer("GET", "/closed", 403).as_deref(), Some("location /closed { deny all; }"));
        assert_eq!(answer("DELETE", "/x", 405).as_deref(), Some("if ($request_method = DELETE) { return 405; }"));
        assert_eq!(all(&config, "listen").len(), 1);
    }
}
