//! Certificates: an authority that lives as long as this process, and one key for each service account. Neither is ever
//! written anywhere; sidecars get them with their configuration.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};

/// Who signs.
pub struct Authority {
    root: String,
    issuer: Issuer<'static, KeyPair>,
    issued: Mutex<BTreeMap<String, (String, String)>>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::default())?;
        params.distinguished_name.push(DnType::CommonName, "cluster.local");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let root = params.self_signed(&key)?.pem();
        Ok(Self { root, issuer: Issuer::new(params, key), issued: Mutex::default() })
    }

    /// What Envoy calls `common_tls_context`, for a service account of a namespace: its certificate, and whom it trusts.
    pub fn context(&self, namespace: &str, account: &str) -> Value {
        let name = format!("spiffe://cluster.local/ns/{namespace}/sa/{account}");
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let (certificate, key) = issued.entry(name.clone()).or_insert_with(|| self.sign(&name).unwrap_or_default());
        json!({
            "alpn_protocols": ["istio"],
            "tls_certificates": [{"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}],
            "validation_context": {"trusted_ca": {"inline_string": self.root}},
        })
    }

    fn sign(&self, name: &str) -> Result<(String, String), Error> {
        let mut params = CertificateParams::new(Vec::default())?;
        params.subject_alt_names = vec![SanType::URI(name.try_into()?)];
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }
}
