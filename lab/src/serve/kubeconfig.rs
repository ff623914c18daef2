//! The kubeconfig of a served recording: a file of its own, never the user's.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::SocketAddr,
    path::Path,
};

use crate::LabError;

/// The first line: by it a file is known to be one of ours, which may be replaced and removed.
const MARK: &str = "# Written by lab serve; it goes when the server ends.";

/// The file's text. Its names say nothing of what is served.
pub(super) fn text(address: SocketAddr) -> String {
    format!(
        "{MARK}\n\
         apiVersion: v1\n\
         kind: Config\n\
         clusters: [{{name: recording, cluster: {{server: \"http://{address}\"}}}}]\n\
         users: [{{name: {user}, user: {{}}}}]\n\
         contexts: [{{name: recording, context: {{cluster: recording, user: {user}}}}}]\n\
         current-context: recording\n",
        user = super::USER,
    )
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// When a file is there that is not ours, or it cannot be written.
pub(super) fn write(path: &Path, text: &str) -> Result<(), LabError> {
    if path.exists() && !is_ours(path) {
        return Err(LabError::BadInput {
            place: path.display().to_string(),
            what: "there is a file already, which lab serve did not write".to_owned(),
            next: "Name a file that does not exist yet; your own kubeconfig is never changed.".to_owned(),
        });
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("kubeconfig");
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = (|| -> io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    })();
    written.map_err(|error| {
        drop(fs::remove_file(&fresh));
        LabError::file(path, error)
    })
}

/// Removes the file if it still is the one with this text.
pub(super) fn remove(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        drop(fs::remove_file(path));
    }
}

fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.starts_with(MARK))
}
