//! A deploy to k3d with stand-ins for docker and k3d in front of the real cluster: what k3d makes is there already.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use flotilla_cluster::{
    Programs,
    plan::{DeployOptions, Deployment, Images, StepId, Target},
};
use kube::config::Kubeconfig;

use crate::support::{agree, applied, kubeconfig, on_a_new_site};

/// So much `docker save` prints for each image.
const IMAGE_BYTES: u64 = 3_000_000;

#[tokio::test]
async fn images_go_into_a_k3d_cluster_byte_by_byte() {
    on_a_new_site("k3d", async |mut site| {
        let folder = site.state_folder().to_owned();
        fs::write(folder.join("kubeconfig"), k3d_kubeconfig()).unwrap();
        let docker = format!(
            "case \"$1\" in version) echo 27.5.1;; info) echo 8000000000 /;; image) echo {IMAGE_BYTES};; save) head -c {IMAGE_BYTES} /dev/zero;; esac"
        );
        let k3d = r#"here=$(dirname "$0"); case "$1 $2" in
            version*) echo 'k3d version v5.8.3' ;;
            'cluster list') echo '[{"name":"flotilla","serversRunning":1,"serversCount":1}]' ;;
            'kubeconfig get') cat "$here/kubeconfig" ;;
            'image import') shift 6; wc -c < "$1" >> "$here/imported" ;;
        esac"#;
        site.settings.programs =
            Programs { docker: program(&folder, "docker", &docker), k3d: program(&folder, "k3d", k3d) };
        let target = Target::K3d { name: "flotilla".to_owned(), agents: 0, http_port: 80 };
        let options = DeployOptions { target, images: Images::Build, ..site.options.clone() };

        let deployment = Deployment::start(options, None, site.settings.clone()).unwrap();
        agree(&deployment).await;
        let plan = applied(&deployment).await;

        assert_eq!(plan.context.as_deref(), Some("k3d-flotilla"));
        let progress = plan.step(StepId::Images).progress.unwrap();
        assert_eq!((progress.done, progress.total), (2 * IMAGE_BYTES, Some(2 * IMAGE_BYTES)));
        let imported = fs::read_to_string(folder.join("imported")).unwrap();
        assert_eq!(imported.split_whitespace().collect::<Vec<_>>(), [IMAGE_BYTES.to_string(), IMAGE_BYTES.to_string()]);
        assert!(!folder.join("image.tar").exists());
    })
    .await;
}

/// The cluster's own kubeconfig, with the context called as k3d calls it.
fn k3d_kubeconfig() -> String {
    let mut config = Kubeconfig::read_from(kubeconfig()).unwrap();
    let current = config.current_context.replace("k3d-flotilla".to_owned()).unwrap();
    config.contexts.iter_mut().find(|context| context.name == current).unwrap().name = "k3d-flotilla".to_owned();
    serde_saphyr::to_string(&config).unwrap()
}

fn program(folder: &Path, name: &str, body: &str) -> std::path::PathBuf {
    let (text, path) = (folder.join(format!("{name}.text")), folder.join(name));
    fs::write(&text, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    // A file that this process had open for writing may not be run while another test starts a program.
    assert!(std::process::Command::new("cp").args([&text, &path]).status().unwrap().success());
    path
}
