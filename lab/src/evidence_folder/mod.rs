//! Reads evidence from anyone: a folder in the lab's own form, files that kubectl wrote, or what another tool collected, also
//! packed. Every layout is one file here, is recognised by a mark of its own, and is brought into the one form.
//!
//! Nothing in a folder is trusted to be there, to be whole or to be small. What may not enter: live systems.

mod archive;
mod cluster_info;
mod documents;
mod gathered;
mod kubectl_files;
mod must_gather;
mod origins;
mod own;
mod support_bundle;
mod tree;

use std::path::Path;

pub(crate) use documents::subject;
pub use origins::Origins;

use crate::{LabError, replay::Files};
use gathered::Gathered;
use tree::Tree;

/// What an evidence folder may hold, for messages.
pub const MAY_HOLD: &str =
    "An evidence folder may hold objects.json, probes.json, traffic.jsonl, alerts.json, metrics.csv,
coverage.json, logs/<namespace>_<pod>_<container>.txt, hosts/<host>/<command>.txt and services/<name>/;
each is optional. Files of kubectl get -o yaml or json are read whatever their names, and so are
kubectl cluster-info dump, support bundles of troubleshoot.sh and must-gathers.
A start: kubectl get pods,services,endpointslices,events -A -o json > objects.json";

/// So many files that are not read are named.
const NAMED: usize = 4;

/// Evidence in the lab's own form, and where it was from.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The files of the form.
    pub files: Files,
    /// Where each piece stood, where the folder had another form.
    pub origins: Origins,
    /// What the folder was read as, where it was not the lab's form.
    pub notice: String,
}

/// How another tool lays out what it collects.
struct Layout {
    name: &'static str,
    is_one: fn(&Tree) -> bool,
    take: fn(&Tree, &str, &mut Gathered) -> Result<bool, LabError>,
}

const LAYOUTS: [Layout; 3] = [
    Layout { name: "a dump of kubectl cluster-info", is_one: cluster_info::is_one, take: cluster_info::take },
    Layout { name: "a must-gather", is_one: must_gather::is_one, take: must_gather::take },
    Layout { name: "a support bundle", is_one: support_bundle::is_one, take: support_bundle::take },
];

/// Reads a folder, or an archive of one. What is of no known form is left out, with a note.
///
/// # Errors
/// When it is missing, is another file or holds nothing of a known form, or when a file of the form cannot be read or parsed.
pub fn read(folder: &Path) -> Result<Evidence, LabError> {
    let tree = Tree::open(folder)?;
    let bad = |what: &str, next: &str| LabError::BadInput {
        place: folder.display().to_string(),
        what: what.to_owned(),
        next: next.to_owned(),
    };
    let own = |name: &str| own::is_of_the_form(name);
    if !tree.names().any(own) && tree.names().filter_map(|name| name.strip_prefix("evidence/")).any(own) {
        let meant = folder.join("evidence");
        return Err(bad("this looks like a recording", &format!("Its evidence is in {}.", meant.display())));
    }
    let layout = LAYOUTS.iter().find(|layout| (layout.is_one)(&tree));
    let mut gathered = Gathered::default();
    let mut left_out = Vec::new();
    for name in tree.names() {
        let by_layout =
            |gathered: &mut Gathered| layout.map_or(Ok(false), |layout| (layout.take)(&tree, name, gathered));
        // What was missing is collected with kubectl and put beside what the tool wrote.
        let beside = layout.is_none() || !name.contains('/');
        let taken = own::take(&tree, name, &mut gathered)?
            || by_layout(&mut gathered)?
            || beside && kubectl_files::take(&tree, name, &mut gathered)?;
        if !taken {
            left_out.push(name);
        }
    }
    let notice = layout.map(|layout| format!("Read as {}: {}.", layout.name, gathered.counted())).unwrap_or_default();
    let evidence = gathered.finish(&tree)?;
    if evidence.files.is_empty() {
        return Err(bad("there is no evidence in this folder", MAY_HOLD));
    }
    note(&left_out, layout.is_some());
    Ok(Evidence { notice, ..evidence })
}

/// Says which files are not read. Tools collect hundreds of them; of a folder made by hand each may be a slip.
fn note(left_out: &[&str], by_a_tool: bool) {
    if left_out.is_empty() {
        return;
    }
    let named = left_out.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = left_out.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    if by_a_tool {
        tracing::info!("of no form that is read: {named}{rest}");
    } else {
        tracing::warn!("of no form that is read: {named}{rest} (docs/evidence.md)");
    }
}
