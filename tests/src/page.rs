//! The page of the program under test, served for one test, and who looks at it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use reqwest::{Client, StatusCode, header, redirect::Policy};

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

/// Someone with a browser of their own.
pub struct Visitor<'p> {
    /// What asks, and keeps cookies.
    pub client: Client,
    page: &'p Page,
}

impl<'p> Visitor<'p> {
    /// Nobody has seen them yet.
    ///
    /// # Panics
    /// When no client can be made.
    pub fn of(page: &'p Page) -> Self {
        // Which TLS is built in depends on what is built beside this.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().cookie_store(true).redirect(Policy::limited(3)).no_proxy().build();
        Self { client: client.expect("a client"), page }
    }

    /// One of the pages: `incidents/3`.
    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        self.open(&self.page.at(path)).await
    }

    /// Any address.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn open(&self, address: &str) -> (StatusCode, String) {
        let answer = self.client.get(address).send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    }

    /// A form of the page's own.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
        let origin = self.page.address.trim_end_matches('/').to_owned();
        let post = self.client.post(self.page.at(path)).header(header::ORIGIN, origin).form(form);
        let answer = post.send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    }
}
