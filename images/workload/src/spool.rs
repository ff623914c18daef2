//! The one thing an application of this kind writes: a file for each order, gone again once it is handed on.

use std::{
    fs::{File, remove_file},
    io::{self, Write},
    path::Path,
};

/// Writes a file, makes sure it is on the medium, and removes it.
pub fn write_and_remove(folder: &Path, id: &str) -> io::Result<()> {
    // The id came from outside; only letters and digits of it may name a file.
    let name: String = id.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    let path = folder.join(format!("order-{name}"));
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(id.as_bytes())?;
        file.sync_all()
    });
    let removed = if path.exists() { remove_file(&path) } else { Ok(()) };
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::write_and_remove;

    #[test]
    fn leaves_nothing_and_reports_a_missing_folder() {
        let folder = std::env::temp_dir().join(format!("workload-spool-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        write_and_remove(&folder, "../a b").unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
        assert!(write_and_remove(&folder, "x").is_err());
    }
}
