//! What pods are set up with: the values of environment, command and arguments, and the addresses in them.

use crate::{evidence::Object, json::Value};

/// Where a setting stands in a pod's specification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    container: usize,
    key: &'static str,
    index: usize,
}

impl Setting {
    /// Its JSON pointer, in an object that has the pod's specification at `spec`.
    pub(crate) fn pointer(self, spec: &str) -> String {
        let Self { container, key, index } = self;
        let value = if key == "env" { "/value" } else { "" };
        format!("{spec}/containers/{container}/{key}/{index}{value}")
    }
}

/// The settings of all containers of the pod's specification that an object has at `spec`.
pub(crate) fn settings<'o>(object: &'o Object, spec: &str) -> impl Iterator<Item = (Setting, &'o str)> + use<'o> {
    let containers = object.get(spec).and_then(|spec| spec["containers"].as_array()).unwrap_or_default();
    containers.iter().enumerate().flat_map(|(container, spec)| {
        ["env", "command", "args"].into_iter().flat_map(move |key| {
            let all = spec[key].as_array().into_iter().flatten().enumerate();
            all.filter_map(move |(index, value): (usize, &Value)| {
                let text = if key == "env" { value["value"].as_str() } else { value.as_str() };
                Some((Setting { container, key, index }, text?))
            })
        })
    })
}

/// Words of a setting that are written like addresses: after `://`, or `host:port`. A bare word is no address.
pub(crate) fn addresses_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '=' | '@')).filter_map(|word| {
        if let Some((_, rest)) = word.split_once("://") {
            return rest.split(['/', '?', '#']).next();
        }
        let authority = word.split('/').next()?;
        let (host, port) = authority.rsplit_once(':')?;
        (port.parse::<u16>().is_ok() && !host.is_empty()).then_some(authority)
    })
}
