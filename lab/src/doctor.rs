//! `lab doctor`: what live runs need of this machine, what is there, and the command for what is not.

use std::{fmt, fs, path::Path, time::Duration};

use crate::{
    LabError, cluster,
    rigs::{Engine, KindCluster, kind},
    root::Root,
};

/// How long the cluster may take to answer; a replay waits for this check.
const PATIENCE: Duration = Duration::from_millis(500);

/// One thing live runs need: what is there, or the command that provides it.
struct Need {
    what: String,
    state: Result<String, String>,
}

/// What was found.
pub struct Report {
    needs: Vec<Need>,
}

impl Report {
    /// The first thing that is lacking, in words; `None` where live runs can start.
    pub fn first_lack(&self) -> Option<String> {
        self.needs.iter().find(|need| need.state.is_err()).map(|need| format!("no {}", need.what))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for need in &self.needs {
            match &need.state {
                Ok(found) => writeln!(f, "ok     {:<30} {found}", need.what)?,
                Err(command) => writeln!(f, "lacks  {:<30} {command}", need.what)?,
            }
        }
        f.write_str(match self.first_lack() {
            None => "Live runs work here: lab scenario port-mismatch --live\n",
            Some(_) => "Replays work here. Live runs need what is lacking, from the top.\n",
        })
    }
}

/// Looks; changes nothing.
pub async fn check(root: &Root) -> Report {
    let mut needs = vec![];
    let mut need = |what: &str, found: Option<String>, command: &str| {
        needs.push(Need { what: what.to_owned(), state: found.ok_or_else(|| command.to_owned()) });
    };
    let tmpfs = fs::read_to_string("/proc/filesystems").unwrap_or_default().contains("tmpfs");
    need("kernel with tmpfs", tmpfs.then(String::new), "a kernel with CONFIG_TMPFS");
    let conntrack = Path::new("/proc/sys/net/netfilter/nf_conntrack_max").exists();
    need("kernel with conntrack", conntrack.then(String::new), "modprobe nf_conntrack");
    let engine = Engine::connect().await.ok();
    let version = match &engine {
        Some(engine) => engine.version().await.ok(),
        None => None,
    };
    need("container engine", version, "images/engine/start.sh   (as root, on Debian), or start yours");
    need("program kind", kind::program().map(|path| path.display().to_string()), "lab images build");
    let worlds = cluster::worlds(root).unwrap_or_default();
    let images = worlds.iter().flat_map(|world| world.images.values().cloned());
    for image in [kind::node_image()].into_iter().chain(images) {
        let id = match &engine {
            Some(engine) => engine.image(&image).await,
            None => None,
        };
        let short = id.map(|id| id.trim_start_matches("sha256:").chars().take(12).collect());
        need(&format!("image {image}"), short, "lab images build");
    }
    let mut mesh = None;
    let up = match &engine {
        Some(engine) => {
            let config = cluster::config(root, &worlds);
            match tokio::time::timeout(PATIENCE, KindCluster::connect(engine)).await {
                Ok(Ok(rig)) if rig.is_outdated(&config).await.unwrap_or(true) => {
                    "outdated; the first live run makes it anew".to_owned()
                }
                Ok(Ok(rig)) => {
                    mesh = tokio::time::timeout(PATIENCE, rig.mesh()).await.ok().and_then(Result::ok);
                    "up".to_owned()
                }
                Ok(Err(LabError::Lacks { what, .. })) => format!("{what}; lab up or the first live run makes it"),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "slow to answer".to_owned(),
            }
        }
        None => "not up".to_owned(),
    };
    need("cluster", Some(up), "");
    need("service mesh", Some(mesh.unwrap_or(KindCluster::OWN_MESH).to_owned()), "");
    Report { needs }
}
