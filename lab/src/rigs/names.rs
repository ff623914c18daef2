//! Names that the cluster's DNS answers with Services of a world, as a public DNS would with the address of an edge.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use diagnoser::Subject;
use serde_json::Value;

use super::{KindCluster, api::missing, rolled_out};
use crate::LabError;

/// The label of nodes that carry the control plane.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

impl KindCluster {
    /// Sees to it that the cluster's DNS answers these names with Services, from the control plane's node: on a worker, a
    /// fault of that worker would look like one of names. A rollout makes a change of its file take effect at once.
    ///
    /// # Errors
    /// When CoreDNS has no file in the expected form, or does not come up again.
    pub async fn answer_names(&self, names: &BTreeMap<String, Subject>) -> Result<(), LabError> {
        let config = Subject::namespaced("configmap", "kube-system", "coredns");
        let deployment = Subject::namespaced("deployment", "kube-system", "coredns");
        let object = self.api.get(&config).await?.ok_or_else(|| missing(&config))?;
        let text = object.pointer("/data/Corefile").and_then(Value::as_str).unwrap_or_default();
        let wanted = with_names(text, names);
        let now = self.api.get(&deployment).await?.ok_or_else(|| missing(&deployment))?;
        let pinned =
            now.pointer("/spec/template/spec/nodeSelector").is_some_and(|selector| !selector[CONTROL_PLANE].is_null());
        if wanted == text && pinned {
            return Ok(());
        }
        let set = |pointer: &'static str, key: &'static str, value: String| {
            move |object: &mut Value| {
                if let Some(map) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
                    map.insert(key.to_owned(), value.clone().into());
                }
                Ok(())
            }
        };
        self.api.edit(&config, set("/data", "Corefile", wanted.clone())).await?;
        self.api.edit(&deployment, set("/spec/template/spec/nodeSelector", CONTROL_PLANE, String::new())).await?;
        // Only a template that differs is rolled out.
        let mut hasher = DefaultHasher::new();
        wanted.hash(&mut hasher);
        let version = format!("{:x}", hasher.finish());
        self.api.edit(&deployment, set("/spec/template/metadata/labels", "names", version)).await?;
        self.api.watch(&deployment, "to be ready", Duration::from_secs(60), rolled_out).await
    }
}

/// A Corefile that answers these names with Services, and no longer those of before. Neither an address nor that there is
/// none is remembered: the next run's Service has another.
fn with_names(text: &str, names: &BTreeMap<String, Subject>) -> String {
    const FIRST: &str = ".:53 {\n";
    const FORGET: [&str; 2] = ["disable denial cluster.local", "disable success cluster.local"];
    let rules = names.iter().map(|(name, service)| {
        format!(
            "    rewrite name exact {name} {}.{}.svc.cluster.local answer auto\n",
            service.name,
            service.namespace()
        )
    });
    let all: String = names.keys().map(|name| format!(" {name}")).collect();
    let lines = text.lines().filter(|line| !line.trim().starts_with("rewrite name exact"));
    let lines = lines.map(|line| match FORGET.iter().find_map(|forget| Some((line.split_once(forget)?.0, forget))) {
        Some((indent, forget)) => format!("{indent}{forget}{all}\n"),
        None => format!("{line}\n"),
    });
    lines.collect::<String>().replacen(FIRST, &format!("{FIRST}{}", rules.collect::<String>()), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_replace_those_of_before() {
        let names = BTreeMap::from([("a.test".to_owned(), Subject::namespaced("service", "e", "s"))]);
        let once = with_names(".:53 {\n    cache 30 {\n      disable denial cluster.local\n    }\n}\n", &names);
        let rule = "    rewrite name exact a.test s.e.svc.cluster.local answer auto\n";
        assert_eq!(
            once,
            format!(".:53 {{\n{rule}    cache 30 {{\n      disable denial cluster.local a.test\n    }}\n}}\n")
        );
        assert_eq!(with_names(&once, &names), once);
    }
}
