//! Makes every folder of recordings/ a test of its own: being there is enough.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let recordings = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../recordings");
    println!("cargo:rerun-if-changed={}", recordings.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&recordings)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?;
        if entry.file_type()?.is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    let tests: String = names
        .iter()
        .map(|name| format!("#[test]\nfn {}() {{\n    check(\"{name}\");\n}}\n\n", name.replace('-', "_")))
        .collect();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("recordings.rs"), tests)?;
    Ok(())
}
