use std::{collections::BTreeMap, fs, path::Path};

use desktop::{commands::Connection, error::CommandError};
use ts_rs::{Config, TS};

/// `make types` runs this test so that it writes the files.
#[test]
fn the_pages_types_in_the_tree_are_those_of_the_commands() {
    let fresh = tempfile::tempdir().unwrap();
    let config = Config::new().with_out_dir(fresh.path());
    Connection::export_all(&config).unwrap();
    CommandError::export_all(&config).unwrap();

    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src-ui/src/platform/generated");
    if std::env::var_os("UPDATE_TYPES").is_some() {
        fs::create_dir_all(&tree).unwrap();
        files(fresh.path()).iter().for_each(|(name, text)| fs::write(tree.join(name), text).unwrap());
    }
    assert!(files(fresh.path()) == files(&tree), "src-ui/src/platform/generated is stale: run `make types`");
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap();
    let read =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    entries.map(|entry| read(entry.unwrap())).collect()
}
