//! The page of the program under test, served for one test.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server that ends with the test.
pub struct Page {
    child: Child,
    /// Where participants begin, with a `/` at its end.
    pub address: String,
    /// Where the facilitator begins.
    pub lead: String,
}

impl Page {
    /// Serves the page on a free port and waits until it says that it is ready; what it keeps goes to `cache`.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn serve(program: &str, at: &Path, cache: &Path) -> Self {
        let mut child = Command::new(program)
            .args(["serve", "--web", "--port", "0"])
            .current_dir(at)
            .env("LAB_CACHE", cache)
            .env("XDG_DATA_HOME", cache)
            .env_remove("LAB_ROOT")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut address = || {
            let line = lines.next().expect("it says where it is").expect("text");
            line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address").to_owned()
        };
        Self { address: address(), lead: address(), child }
    }

    /// The address of one of its pages: `incidents/3`.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
