//! How Flotilla's images get into the nodes of a cluster.

use std::{fs, path::Path, process::Command};

use flotilla_cluster::plan::{DeployOptions, Deployment, Images, Plan, PlanStatus, StepId, StepStatus, Target};

use crate::{
    fake_cluster::{api_server, cluster},
    laptop::{DISK_FULL_OF_AN_IMAGE, DOCKER, K3D, Laptop, k3d_with, options, stopped},
    support::{calls, program},
};

const BACKEND: &str = concat!("flotilla-backend:", env!("CARGO_PKG_VERSION"));
const FRONTEND: &str = concat!("flotilla-frontend:", env!("CARGO_PKG_VERSION"));

/// Docker that has those images that it has built, each of them a file beside the program.
const BUILDER: &str = r#"here=$(dirname "$0")
case "$1" in
  version) echo 27.5.1 ;;
  info) echo '8000000000 /' ;;
  build) [ -f "$5" ] && [ -d "$6" ] && touch "$here/$3" ;;
  image) [ -e "$here/$5" ] || { echo "Error: No such image: $5" >&2; exit 1; }
    case "$4" in '{{.Id}}') echo "sha256:of-$5" ;; *) echo 1000 ;; esac ;;
  save) echo layers ;;
esac"#;

#[tokio::test]
async fn a_load_command_of_ones_own_gets_each_image() {
    let laptop = Laptop::new(DOCKER, K3D);
    let load = program(laptop.folder.path(), "load images", "echo loaded");

    let plan = deploy_with(&laptop, &load).await;

    let images = plan.step(StepId::Images);
    assert_eq!((plan.status, images.status), (PlanStatus::Waiting, StepStatus::Done), "{images:?}");
    let each_image = [format!("--into node one {BACKEND}"), format!("--into node one {FRONTEND}")];
    assert_eq!(calls(&load), each_image);
    assert!(plan.log.iter().any(|line| line == "loaded"), "{:?}", plan.log);

    // Whoever types what the step shows does the same.
    let shown: Vec<_> = images.command.lines().filter(|line| line.contains("load images")).collect();
    assert!(Command::new("sh").args(["-c", &shown.join("\n")]).output().unwrap().status.success());
    assert_eq!(calls(&load)[2..], each_image);
}

#[tokio::test]
async fn a_load_command_that_fails_is_quoted_and_resuming_runs_it_again() {
    let laptop = Laptop::new(DOCKER, K3D);
    let load = program(laptop.folder.path(), "load", "echo 'node one is gone' >&2; exit 1");

    let plan = deploy_with(&laptop, &load).await;

    let error = plan.step(StepId::Images).error.clone().unwrap();
    assert!(error.retryable && error.message == "load failed: node one is gone.", "{error}");
    assert_eq!(calls(&load).len(), 1);

    program(laptop.folder.path(), "load", "");
    let cluster = cluster("uid-1").await;
    let plan = stopped(Deployment::resume(Some(cluster), laptop.settings.clone()).unwrap()).await;

    let images = plan.step(StepId::Images);
    assert_eq!((plan.status, images.status), (PlanStatus::Waiting, StepStatus::Done), "{images:?}");
    assert_eq!(calls(&load).len(), 3);
}

#[tokio::test]
async fn both_images_are_built_where_the_source_is_and_loaded() {
    let mut laptop = Laptop::new(BUILDER, &k3d_with(&api_server("uid-1")));
    let source = source_tree(&laptop);
    laptop.settings.source = Some(source.clone());

    let plan = laptop.deploy(options()).await;

    let images = plan.step(StepId::Images);
    assert_eq!((plan.status, images.status), (PlanStatus::Waiting, StepStatus::Done), "{images:?}");
    let docker = calls(&laptop.settings.programs.docker);
    let built: Vec<_> = docker.iter().filter(|call| call.starts_with("build")).collect();
    let source = source.display();
    assert_eq!(
        built,
        [
            &format!("build --tag {BACKEND} --file {source}/server/Dockerfile {source}/."),
            &format!("build --tag {FRONTEND} --file {source}/src-ui/Dockerfile {source}/src-ui"),
        ]
    );
    assert_eq!(laptop.k3d_calls("image import"), 2);
}

#[tokio::test]
async fn a_build_that_fails_says_what_docker_said_and_resuming_builds_again() {
    let failing = format!("[ \"$1 $3\" = 'build {FRONTEND}' ] && {{ echo 'npm ci did not complete' >&2; exit 1; }}");
    let mut laptop = Laptop::new(&format!("{failing}\n{BUILDER}"), &k3d_with(&api_server("uid-1")));
    laptop.settings.source = Some(source_tree(&laptop));

    let plan = laptop.deploy(options()).await;

    let error = plan.step(StepId::Images).error.clone().unwrap();
    assert!(error.retryable && error.message == "docker failed: npm ci did not complete.", "{error}");
    assert_eq!(laptop.k3d_calls("image import"), 0);

    program(laptop.folder.path(), "docker", BUILDER);
    let plan = laptop.resume().await;
    assert_eq!((plan.status, plan.step(StepId::Images).status), (PlanStatus::Waiting, StepStatus::Done));
}

#[tokio::test]
async fn a_disk_that_an_image_does_not_fit_on_is_said_to_be_full() {
    let k3d = format!("{DISK_FULL_OF_AN_IMAGE}\n{}", k3d_with(&api_server("uid-1")));
    let laptop = Laptop::new(DOCKER, &k3d);
    let archive = laptop.settings.state_folder.join("image.tar");

    let plan = laptop.deploy(options()).await;

    let error = plan.step(StepId::Images).error.clone().unwrap();
    assert!(error.message.contains("The disk is full") && error.retryable, "{error}");
    assert!(archive.symlink_metadata().is_err(), "half an image stays on the full disk");
    assert_eq!(laptop.k3d_calls("image import"), 0);
}

#[tokio::test]
async fn a_deploy_that_is_stopped_in_the_middle_of_an_image_leaves_nothing_of_it() {
    let saving = "[ $1 = save ] && { echo layers; exec sleep 1000; }";
    let laptop = Laptop::new(&format!("{saving}\n{DOCKER}"), &k3d_with(&api_server("uid-1")));
    let archive = laptop.settings.state_folder.join("image.tar");
    let deployment = Deployment::start(options(), None, laptop.settings.clone()).unwrap();
    while !archive.metadata().is_ok_and(|file| file.len() > 0) {
        tokio::task::yield_now().await;
    }

    deployment.cancel();

    assert_eq!(deployment.finished().await.status, PlanStatus::Cancelled);
    assert!(!archive.exists());
}

#[tokio::test]
async fn what_a_killed_app_has_left_of_an_image_goes_when_the_next_deploy_starts() {
    let laptop = Laptop::new("exit 1", K3D);
    let archive = laptop.settings.state_folder.join("image.tar");
    fs::create_dir(&laptop.settings.state_folder).unwrap();
    fs::write(&archive, "half an image").unwrap();

    laptop.deploy(options()).await;

    assert!(!archive.exists());
}

/// Deploy to a cluster that is no k3d cluster, with this program to load images.
async fn deploy_with(laptop: &Laptop, load: &Path) -> Plan {
    let options = DeployOptions {
        target: Target::Context,
        images: Images::Build,
        load_command: Some(format!("'{}' --into 'node one'", load.display())),
        ..DeployOptions::default()
    };
    let cluster = cluster("uid-1").await;
    stopped(Deployment::start(options, Some(cluster), laptop.settings.clone()).unwrap()).await
}

/// As much of the repository as tells that it is one.
fn source_tree(laptop: &Laptop) -> std::path::PathBuf {
    let source = laptop.folder.path().join("source");
    for part in ["server", "src-ui"] {
        fs::create_dir_all(source.join(part)).unwrap();
        fs::write(source.join(part).join("Dockerfile"), "").unwrap();
    }
    source
}
