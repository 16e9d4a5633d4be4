//! A deploy to k3d with stand-ins for docker and k3d in front of the real cluster: what k3d makes is there already.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use flotilla_cluster::{
    Action, Programs,
    plan::{DeployOptions, Deployment, Images, StepId, Target},
};
use kube::config::Kubeconfig;

use crate::support::{agree, applied, change, kubeconfig, on_a_new_site, until};

/// So much `docker save` prints for each image.
const IMAGE_BYTES: u64 = 3_000_000;

#[tokio::test]
async fn images_go_into_a_k3d_cluster_byte_by_byte() {
    on_a_new_site("k3d", async |mut site| {
        let folder = site.state_folder().to_owned();
        fs::write(folder.join("kubeconfig"), k3d_kubeconfig()).unwrap();
        let docker = format!(
            "case \"$1\" in version) echo 27.5.1;; info) echo 8000000000 /;; image) case \"$4\" in '{{{{.Id}}}}') echo built-1;; *) echo {IMAGE_BYTES};; esac;; save) head -c {IMAGE_BYTES} /dev/zero;; esac"
        );
        let k3d = r#"here=$(dirname "$0"); case "$1 $2" in
            version*) echo 'k3d version v5.8.3' ;;
            'cluster list') running=1; [ -e "$here/stopped" ] && running=0
                echo '[{"name":"flotilla","serversRunning":'$running',"serversCount":1}]' ;;
            'cluster start') rm "$here/stopped" ;;
            'kubeconfig get') cat "$here/kubeconfig" ;;
            'image import') shift 6; wc -c < "$1" >> "$here/imported" ;;
        esac"#;
        site.settings.programs =
            Programs { docker: program(&folder, "docker", &docker), k3d: program(&folder, "k3d", k3d) };
        let target = Target::K3d { name: "flotilla".parse().unwrap(), agents: 0, http_port: 80 };
        let options = DeployOptions { target, images: Images::Build, ..site.options.clone() };

        let deployment = Deployment::start(options.clone(), None, site.settings.clone()).unwrap();
        agree(&deployment).await;
        let plan = applied(&deployment).await;

        assert_eq!(plan.context.as_deref(), Some("k3d-flotilla"));
        let progress = plan.step(StepId::Images).progress.unwrap();
        assert_eq!((progress.done, progress.total), (2 * IMAGE_BYTES, Some(2 * IMAGE_BYTES)));
        let imported = fs::read_to_string(folder.join("imported")).unwrap();
        assert_eq!(imported.split_whitespace().collect::<Vec<_>>(), [IMAGE_BYTES.to_string(), IMAGE_BYTES.to_string()]);
        assert!(!folder.join("image.tar").exists());

        // A cluster that was stopped meanwhile is started before anything else is done to it.
        fs::write(folder.join("stopped"), "").unwrap();
        let resumed = Deployment::resume(None, site.settings.clone()).unwrap();
        until(&resumed, "the cluster runs", |plan| plan.step(StepId::Cluster).status.is_over()).await;
        drop(resumed);
        assert!(!folder.join("stopped").exists());

        // The next build has the same name and something else in it.
        site.settings.programs.docker = program(&folder, "docker", &docker.replace("echo built-1", "echo built-2"));
        let again = Deployment::start(options, None, site.settings.clone()).unwrap();
        let shown = agree(&again).await;
        let diff = change(&shown.changes, "Deployment", "backend").diff.clone().unwrap();
        assert!(diff.contains("-        flotilla.dev/image: built-1") && diff.contains("built-2"), "{diff}");
        assert_eq!(change(&shown.changes, "StatefulSet", "postgres").action, Action::Same);
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
