//! Where things are: the project's own folders, and the cache outside the clone.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::LabError;

/// The folder that holds `scenarios/` and `recordings/`.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// `LAB_ROOT`, else the nearest ancestor of the current folder that holds scenarios and recordings, else the folder
    /// this program was built from.
    ///
    /// # Errors
    /// When none of these holds scenarios.
    pub fn find() -> Result<Self, LabError> {
        if let Some(given) = env::var_os("LAB_ROOT").filter(|value| !value.is_empty()) {
            let root = PathBuf::from(given);
            return if is_root(&root) {
                Ok(Self(root))
            } else {
                Err(LabError::BadInput {
                    place: format!("LAB_ROOT={}", root.display()),
                    what: "this folder does not hold scenarios/ and recordings/".to_owned(),
                    next: "Set LAB_ROOT to a clone of the project, or unset it.".to_owned(),
                })
            };
        }
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let here = env::current_dir().unwrap_or_default();
        let found = here.ancestors().find(|folder| is_root(folder)).map(Path::to_path_buf);
        found.or_else(|| built_from.canonicalize().ok().filter(|folder| is_root(folder))).map(Self).ok_or_else(|| {
            LabError::BadInput {
                place: here.display().to_string(),
                what: "neither this folder nor one above it holds scenarios/ and recordings/".to_owned(),
                next: "Change into a clone of the project, or set LAB_ROOT to one.".to_owned(),
            }
        })
    }

    /// A root that is known, for tests.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// One scenario, one YAML file.
    pub fn scenarios(&self) -> PathBuf {
        self.0.join("scenarios")
    }

    /// The healthy systems that scenarios start from.
    pub fn worlds(&self) -> PathBuf {
        self.0.join("scenarios/worlds")
    }

    /// One folder a recording.
    pub fn recordings(&self) -> PathBuf {
        self.0.join("recordings")
    }

    /// Cluster configurations.
    pub fn kind_configs(&self) -> PathBuf {
        self.0.join("kind-configs")
    }

    /// How each container image is built.
    pub fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// A path of the project as a person would type it: relative to the current folder where it lies below it.
    pub fn shown(&self, path: &Path) -> String {
        let here = env::current_dir().unwrap_or_default();
        path.strip_prefix(&here).or_else(|_| path.strip_prefix(&self.0)).unwrap_or(path).display().to_string()
    }
}

fn is_root(folder: &Path) -> bool {
    folder.join("scenarios").is_dir() && folder.join("recordings").is_dir()
}

/// The cache outside the clone: images, programs, kubeconfigs, ledgers. `LAB_CACHE`, else `chaos-replay-lab` in the user's
/// cache folder.
pub fn cache() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("LAB_CACHE").unwrap_or_else(|| {
        let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        caches.unwrap_or_else(env::temp_dir).join("chaos-replay-lab")
    })
}
