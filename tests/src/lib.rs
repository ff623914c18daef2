//! What the whole-program tests share: running the program as a user does, and small evidence folders made by hand.

pub mod browser;
pub mod cast;
pub mod chart;
pub mod cluster;
pub mod metamorphosis;
pub mod mutation;
pub mod page;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use diagnoser::Subject;
use lab::{
    recording::Recording,
    root::Root,
    scenario::{self, Truth},
};
use serde_json::Value;

/// The project this test belongs to.
pub fn root() -> Root {
    Root::at(folder())
}

/// The folder of the project.
pub fn folder() -> PathBuf {
    // Asked for at run time: clones that share the compiler's output would else share the first one's folder.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let folder = Path::new(&package).join("..");
    folder.canonicalize().unwrap_or(folder)
}

/// The names of the scenarios that have a recording: they have passed their gates before.
///
/// # Panics
/// When a scenario cannot be read.
pub fn recorded() -> Vec<String> {
    let names = scenario::names(&root()).expect("scenarios").into_iter();
    names.filter(|name| root().recordings().join(name).is_dir()).collect()
}

/// kubectl: LAB_KUBECTL, the one that `lab images build` makes, or the one of the path.
pub fn kubectl() -> PathBuf {
    let own = || {
        let versions = fs::read_dir(lab::root::cache().join("kind-node")).ok()?.flatten();
        versions.map(|version| version.path().join("bin/kubectl")).find(|program| program.is_file())
    };
    std::env::var_os("LAB_KUBECTL").map(PathBuf::from).or_else(own).unwrap_or_else(|| "kubectl".into())
}

/// The object that the recording of a scenario is about; where its world was set up is different with every recording.
///
/// # Panics
/// When it has no recording, or nothing is wrong in it.
pub fn culprit(name: &str) -> Subject {
    match Recording::of(&root(), name).expect("a recording").scenario.truth {
        Truth::Roots(mut roots) => roots.swap_remove(0).subject,
        Truth::Healthy => panic!("{name}: nothing is wrong"),
    }
}

/// What the program answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// The answer.
    pub stdout: String,
    /// Progress, logs and errors.
    pub stderr: String,
}

impl Answer {
    /// The answer as JSON.
    ///
    /// # Panics
    /// When it is not one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Asserts an error: this exit code, nothing on stdout, these words on stderr, and no panic.
    ///
    /// # Panics
    /// When it is anything else.
    pub fn assert_error(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "an error leaves no partial answer");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in:\n{}", self.stderr);
        }
    }
}

/// Runs the program in `at`, as a user in a pipe would.
///
/// # Panics
/// When it cannot be started or is killed.
pub fn run(program: &str, at: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Answer {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(at).env_remove("LAB_ROOT").env_remove("RUST_LOG");
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("{program} was killed: {}", text(&output.stderr)));
    Answer { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// A folder for one test, removed with it.
pub struct Folder(PathBuf);

static COUNT: AtomicUsize = AtomicUsize::new(0);

impl Folder {
    /// A new, empty folder.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
        let name = format!("lab-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    /// With this file in it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn with(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.0.join(name);
        let parent = path.parent().unwrap_or(&self.0);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
