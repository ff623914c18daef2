//! An object is created that should not be there.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{LABEL, Live, Now, subject_of},
};

/// `apply: {manifest: {apiVersion: v1, kind: ResourceQuota, ...}}`; the lab's label is added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The object, whole.
    pub manifest: Value,
}

impl Break for Apply {
    fn mutations<'a>(&'a self, _: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let mut object = self.manifest.clone();
            object["metadata"]["labels"][LABEL] = "lab".into();
            Ok(vec![Mutation::apply(&object)?])
        })
    }

    /// The object is there.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let subject = subject_of(&self.manifest)?;
            live.read(&subject).await?;
            Ok(Now::Holds(format!("{subject} is there")))
        })
    }
}
