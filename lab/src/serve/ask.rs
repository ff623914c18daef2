//! What a client asks: the address, its parameters, and the forms it takes an answer in.

use std::collections::BTreeMap;

/// A request, as far as answers depend on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// `GET` ...
    pub method: String,
    /// `/api/v1/namespaces/shop/pods`, decoded.
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub form: Form,
    pub body: Vec<u8>,
}

/// The form in which a client wants an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// Objects as JSON.
    #[default]
    Plain,
    /// Rows for people to read (meta.k8s.io/v1 Table).
    Table,
    /// Objects without specification and status (meta.k8s.io/v1 PartialObjectMetadata).
    Metadata,
    /// Of the kinds there are: all in one document (apidiscovery.k8s.io/v2).
    AllKinds,
    /// Only forms that are not spoken here, such as protobuf.
    Unknown,
}

impl Ask {
    /// A parameter; empty where it is not given.
    pub fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Whether a parameter is given and says yes.
    pub fn says(&self, name: &str) -> bool {
        matches!(self.parameter(name), "true" | "1" | "t" | "T" | "TRUE" | "True")
    }
}

/// The first of the forms in an `Accept` header that is spoken here; they stand in the order of the client's liking.
pub(super) fn form(accept: &str) -> Form {
    let known = accept.split(',').find_map(|choice| {
        let mut parts = choice.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let parameters: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
        let version = parameters.get("v").copied();
        match (kind, parameters.get("as").copied()) {
            ("" | "application/json" | "application/*" | "*/*", None) => Some(Form::Plain),
            ("application/json", Some("Table")) if matches!(version, Some("v1" | "v1beta1")) => Some(Form::Table),
            ("application/json", Some("PartialObjectMetadata" | "PartialObjectMetadataList")) => Some(Form::Metadata),
            ("application/json", Some("APIGroupDiscoveryList")) if version == Some("v2") => Some(Form::AllKinds),
            _ => None,
        }
    });
    known.unwrap_or(Form::Unknown)
}

/// What of the API an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub namespace: Option<String>,
    pub plural: String,
    pub name: Option<String>,
    /// `log`, `status`, `exec` ...
    pub subresource: Option<String>,
}

/// The place below `/api/v1` or `/apis/GROUP/VERSION`; `None` where the address is none of objects.
pub(super) fn place(path: &str) -> Option<Place> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, version, rest) = match &parts[..] {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        // A namespace itself, or one of its own subresources.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (plural, rest) = rest.split_first()?;
    Some(Place {
        group: group.to_owned(),
        version: version.to_owned(),
        namespace: namespace.map(str::to_owned),
        plural: (*plural).to_owned(),
        name: rest.first().map(|name| (*name).to_owned()),
        subresource: rest.get(1).map(|subresource| (*subresource).to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_is_spoken_is_taken() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(form(kubectl), Form::Table);
        assert_eq!(form("application/vnd.kubernetes.protobuf,application/json"), Form::Plain);
        assert_eq!(
            form("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"),
            Form::AllKinds
        );
        assert_eq!(form(""), Form::Plain);
        assert_eq!(form("application/vnd.kubernetes.protobuf"), Form::Unknown);
    }

    #[test]
    fn addresses_are_read_as_the_api_has_them() {
        let short = |path: &str| {
            place(path).map(|place| {
                let Place { group, namespace, plural, name, subresource, .. } = place;
                [Some(group), namespace, Some(plural), name, subresource].map(Option::unwrap_or_default).join("|")
            })
        };
        let read = |path: &str| short(path).unwrap_or_default();
        assert_eq!(read("/api/v1/pods"), "||pods||");
        assert_eq!(read("/api/v1/namespaces/shop"), "||namespaces|shop|");
        assert_eq!(read("/api/v1/namespaces/shop/pods"), "|shop|pods||");
        assert_eq!(read("/api/v1/namespaces/shop/pods/web/log"), "|shop|pods|web|log");
        assert_eq!(read("/apis/apps/v1/namespaces/shop/deployments/web"), "apps|shop|deployments|web|");
        assert_eq!(read("/api/v1/namespaces/shop/status"), "||namespaces|shop|status");
        assert_eq!(short("/apis/apps/v1"), None);
        assert_eq!(short("/version"), None);
    }
}
