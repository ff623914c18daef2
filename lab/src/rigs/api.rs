//! The API server of the lab's own cluster, spoken to with JSON objects: what is collected must keep every field it has.

use std::{
    path::Path,
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use diagnoser::Subject;
use futures::StreamExt;
use kube::{
    Api, Client, Config,
    api::{DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams, PostParams, TypeMeta},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::watcher::watch_object,
};
use serde_json::Value;

use super::{Kind, kind_of, until::too_late};
use crate::LabError;

/// The label of everything the lab creates.
pub const LABEL: &str = "app.kubernetes.io/managed-by";
/// Selects what the lab created.
pub const OWNED: &str = "app.kubernetes.io/managed-by=lab";

/// Who changes fields, in server-side apply.
const MANAGER: &str = "lab";

/// A client of the lab's own cluster.
#[derive(Clone)]
pub struct KubeApi(Client);

/// Whether an object carries the lab's label.
pub fn is_owned(object: &Value) -> bool {
    object.pointer("/metadata/labels").and_then(|labels| labels.get(LABEL)).is_some_and(|owner| owner == "lab")
}

impl KubeApi {
    /// Connects with this kubeconfig, in this context of it, and no other: the user's own are never looked at.
    ///
    /// # Errors
    /// When the file cannot be read or has no such context.
    pub async fn connect(kubeconfig: &Path, context: &str) -> Result<Self, LabError> {
        let lacks = |why: String| LabError::Lacks {
            what: format!("the kubeconfig of the lab's cluster is of no use: {why}"),
            command: "lab down, then lab up".to_owned(),
        };
        let config = Kubeconfig::read_from(kubeconfig).map_err(|error| lacks(error.to_string()))?;
        let options = KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
        let config =
            Config::from_custom_kubeconfig(config, &options).await.map_err(|error| lacks(error.to_string()))?;
        Ok(Self(Client::try_from(config).map_err(|error| lacks(error.to_string()))?))
    }

    /// The version of the API server: `v1.34.10`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String, LabError> {
        let version =
            self.0.apiserver_version().await.map_err(|error| failed("asking the API server's version", &error))?;
        Ok(version.git_version)
    }

    fn of(&self, kind: &Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace.filter(|_| kind.namespaced) {
            Some(namespace) => Api::namespaced_with(self.0.clone(), namespace, &kind.resource()),
            None => Api::all_with(self.0.clone(), &kind.resource()),
        }
    }

    fn at(&self, subject: &Subject) -> Result<Api<DynamicObject>, LabError> {
        Ok(self.of(kind_of(&subject.kind)?, subject.namespace.as_deref()))
    }

    /// All objects of a kind, of a namespace or of the whole cluster, that a label selector selects (empty: all).
    ///
    /// # Errors
    /// When the API server refuses or does not answer.
    pub async fn list(&self, kind: &Kind, namespace: Option<&str>, selector: &str) -> Result<Vec<Value>, LabError> {
        let parameters = ListParams::default().labels(selector);
        let listed = self.of(kind, namespace).list(&parameters).await;
        let objects = listed.map_err(|error| failed(&format!("listing {}", kind.plural), &error))?;
        Ok(objects.items.into_iter().map(|object| plain(kind, object)).collect())
    }

    /// One object; `None` where there is none.
    ///
    /// # Errors
    /// When the API server refuses or does not answer.
    pub async fn get(&self, subject: &Subject) -> Result<Option<Value>, LabError> {
        let kind = kind_of(&subject.kind)?;
        let found = self.at(subject)?.get_opt(&subject.name).await;
        let object = found.map_err(|error| failed(&format!("reading {subject}"), &error))?;
        Ok(object.map(|object| plain(kind, object)))
    }

    /// Creates an object or brings it to this state (server-side apply).
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn apply(&self, subject: &Subject, object: &Value) -> Result<(), LabError> {
        self.apply_to(&self.at(subject)?, &subject.name, object)
            .await
            .map_err(|error| failed(&format!("applying {subject}"), &error))
    }

    /// The same for an object of the cluster whose kind is none of those the lab handles.
    ///
    /// # Errors
    /// When the API server refuses.
    pub(super) async fn apply_of(&self, kind: &Kind, object: &Value) -> Result<(), LabError> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.apply_to(&self.of(kind, None), name, object)
            .await
            .map_err(|error| failed(&format!("applying {name}"), &error))
    }

    async fn apply_to(&self, api: &Api<DynamicObject>, name: &str, object: &Value) -> Result<(), kube::Error> {
        api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object)).await.map(drop)
    }

    /// Reads an object, edits it and writes it back, again where someone else wrote in between. `edit` says what is wrong
    /// with the object where it cannot be edited.
    ///
    /// # Errors
    /// When it does not exist, cannot be edited, or the API server refuses.
    pub async fn edit(
        &self,
        subject: &Subject,
        edit: impl Fn(&mut Value) -> Result<(), LabError>,
    ) -> Result<(), LabError> {
        let api = self.at(subject)?;
        loop {
            let mut object = self.get(subject).await?.ok_or_else(|| missing(subject))?;
            edit(&mut object)?;
            let edited: DynamicObject = serde_json::from_value(object).map_err(|error| LabError::Live {
                what: format!("editing {subject}"),
                why: error.to_string(),
                next: "The edit does not leave a Kubernetes object behind.".to_owned(),
            })?;
            match api.replace(&subject.name, &PostParams::default(), &edited).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(failed(&format!("changing {subject}"), &error)),
            }
        }
    }

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn delete(&self, subject: &Subject) -> Result<(), LabError> {
        match self.at(subject)?.delete(&subject.name, &DeleteParams::background()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(failed(&format!("deleting {subject}"), &error)),
        }
    }

    /// Watches one object (`None`: it is not there) until `holds` says so. `holds` gives back what it sees, in words, as long
    /// as it does not hold.
    ///
    /// # Errors
    /// When it does not within `limit`, with what was last seen.
    pub async fn watch(
        &self,
        subject: &Subject,
        what: &str,
        limit: Duration,
        holds: impl Fn(Option<&Value>) -> Result<(), String>,
    ) -> Result<(), LabError> {
        let kind = kind_of(&subject.kind)?;
        let seen = Mutex::new("nothing".to_owned());
        let waited = async {
            let mut states = pin!(watch_object(self.at(subject)?, &subject.name));
            while let Some(state) = states.next().await {
                // A broken watch is begun anew by the next poll.
                let Ok(state) = state else { continue };
                let object = state.map(|object| plain(kind, object));
                match holds(object.as_ref()) {
                    Ok(()) => break,
                    Err(words) => *seen.lock().unwrap_or_else(PoisonError::into_inner) = words,
                }
            }
            Ok(())
        };
        match tokio::time::timeout(limit, waited).await {
            Ok(done) => done,
            Err(_) => {
                let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                Err(too_late(&format!("{subject} {what}"), limit, &seen))
            }
        }
    }

    /// What a pod has written to its log since then.
    ///
    /// # Errors
    /// When the API server or the kubelet does not answer.
    pub async fn log(&self, pod: &Subject, since: jiff::Timestamp) -> Result<String, LabError> {
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.0.clone(), pod.namespace());
        let parameters = LogParams { since_time: Some(since), ..Default::default() };
        api.logs(&pod.name, &parameters).await.map_err(|error| failed(&format!("reading the log of {pod}"), &error))
    }
}

/// An object as `kubectl get -o json --show-managed-fields` would show it.
fn plain(kind: &Kind, mut object: DynamicObject) -> Value {
    object.types = Some(TypeMeta { api_version: kind.version.to_owned(), kind: kind.kind.to_owned() });
    // An object that was parsed from JSON can be written as JSON.
    serde_json::to_value(object).unwrap_or_default()
}

/// The error of an object that should be there.
pub(super) fn missing(subject: &Subject) -> LabError {
    LabError::Live {
        what: subject.to_string(),
        why: "it does not exist".to_owned(),
        next: "Was the world changed by hand meanwhile? lab gc removes it; then run it again.".to_owned(),
    }
}

fn failed(what: &str, error: &kube::Error) -> LabError {
    LabError::Live {
        what: what.to_owned(),
        why: error.to_string(),
        next: "lab doctor says whether the cluster answers; lab down and lab up make it anew.".to_owned(),
    }
}
