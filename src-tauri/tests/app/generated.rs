use std::{collections::BTreeMap, fs, path::Path};

use desktop::{commands::Connection, error::CommandError, subscriptions::StreamMessage};
use flotilla_cluster::{
    Change, Contexts, Error, Limits, ObjectRef,
    actions::{Action, Preview},
    drill::{DrillOptions, DrillReport},
    forward::Forward,
    live::LiveUpdate,
    load::{LoadOptions, LoadUpdate},
    logs::{LogLine, LogQuery},
    plan::{Consent, Plan},
    teardown::Teardown,
};
use ts_rs::{Config, ExportError, TS};

/// `make types` runs this test so that it writes the files.
#[test]
fn the_pages_types_in_the_tree_are_those_of_the_commands() {
    let fresh = tempfile::tempdir().unwrap();
    export_shell(&Config::new().with_out_dir(fresh.path())).unwrap();
    export_cluster(&Config::new().with_out_dir(fresh.path().join("cluster"))).unwrap();

    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src-ui/src/platform/generated");
    for folder in [".", "cluster"] {
        let (fresh, tree) = (fresh.path().join(folder), tree.join(folder));
        if std::env::var_os("UPDATE_TYPES").is_some() {
            fs::create_dir_all(&tree).unwrap();
            files(&fresh).iter().for_each(|(name, text)| fs::write(tree.join(name), text).unwrap());
        }
        assert!(files(&fresh) == files(&tree), "{} is stale: run `make types`", tree.display());
    }
}

fn export_shell(config: &Config) -> Result<(), ExportError> {
    Connection::export_all(config)?;
    CommandError::export_all(config)
}

fn export_cluster(config: &Config) -> Result<(), ExportError> {
    Contexts::export_all(config)?;
    Plan::export_all(config)?;
    Consent::export_all(config)?;
    Change::export_all(config)?;
    Teardown::export_all(config)?;
    ObjectRef::export_all(config)?;
    LiveUpdate::export_all(config)?;
    LogQuery::export_all(config)?;
    LogLine::export_all(config)?;
    Action::export_all(config)?;
    Preview::export_all(config)?;
    Forward::export_all(config)?;
    Limits::export_all(config)?;
    LoadOptions::export_all(config)?;
    LoadUpdate::export_all(config)?;
    DrillOptions::export_all(config)?;
    DrillReport::export_all(config)?;
    StreamMessage::<()>::export_all(config)?;
    Error::export_all(config)
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file());
    let read =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    entries.map(read).collect()
}
