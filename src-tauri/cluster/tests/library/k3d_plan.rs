//! A deploy to k3d up to where the cluster itself is needed.

use std::{fs, net::TcpListener, path::Path, process::Command};

use flotilla_cluster::{
    Overlay, delete_k3d,
    plan::{CheckStatus, DeployOptions, Deployment, Images, Plan, PlanStatus, StepId, StepStatus, Target, last_plan},
    start_k3d, stop_k3d,
};

use crate::{
    laptop::{DOCKER, K3D, Laptop, flotilla, options},
    support::{calls, program},
};

#[tokio::test]
async fn a_cluster_is_made_with_the_flags_that_the_step_shows() {
    let laptop = Laptop::new(DOCKER, K3D);

    let plan = laptop.deploy(options()).await;

    let shown = plan.step(StepId::Cluster).command.clone();
    assert!(calls(&laptop.settings.programs.k3d).contains(&shown.trim_start_matches("k3d ").to_owned()), "{shown}");
    assert!(shown.contains("--agents 1") && shown.contains(":80@loadbalancer"), "{shown}");
    assert!(plan.log.iter().any(|line| line == "INFO[0001] Cluster created"), "{:?}", plan.log);
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_stops_the_plan_and_resuming_makes_no_second_one() {
    let laptop = Laptop::new(DOCKER, K3D);

    let failed = laptop.deploy(options()).await;
    let step = failed.step(StepId::Cluster);
    assert_eq!((failed.status, step.status), (PlanStatus::Failed, StepStatus::Failed));
    let error = step.error.clone().unwrap();
    assert!(error.retryable && error.message.contains("does not answer"), "{error}");

    let resumed = laptop.resume().await;

    assert_eq!(resumed.id, failed.id);
    assert_eq!(resumed.step(StepId::Preflight).started_at, failed.step(StepId::Preflight).started_at);
    assert_eq!(laptop.k3d_calls("cluster create"), 1);
}

#[tokio::test]
async fn a_stopped_cluster_is_started() {
    let laptop = Laptop::new(DOCKER, K3D);
    fs::write(laptop.folder.path().join("flotilla.made"), "").unwrap();

    laptop.deploy(options()).await;

    assert_eq!((laptop.k3d_calls("cluster create"), laptop.k3d_calls("cluster start flotilla")), (0, 1));
}

#[tokio::test]
async fn closing_the_app_while_the_cluster_is_made_loses_nothing() {
    let making = format!("[ \"$1 $2\" = 'cluster create' ] && exec sleep 1000\n{K3D}");
    let laptop = Laptop::new(DOCKER, &making);
    let deployment = Deployment::start(options(), None, laptop.settings.clone()).unwrap();
    wait_until_making(&deployment).await;

    drop(deployment);

    let shown = last_plan(&laptop.settings).unwrap().unwrap();
    assert_eq!((shown.status, shown.step(StepId::Preflight).status), (PlanStatus::Failed, StepStatus::Done));
    assert!(shown.step(StepId::Cluster).error.as_ref().unwrap().message.contains("The app was closed"));

    program(laptop.folder.path(), "k3d", K3D);
    laptop.resume().await;
    assert!(laptop.has("flotilla.made"));
}

/// k3d that is cut off while it makes the cluster, which it lists by then.
const CUT_OFF: &str =
    r#"[ "$1 $2" = 'cluster create' ] && { touch "$(dirname "$0")/$3.made" "$(dirname "$0")/half"; exec sleep 1000; }"#;
/// k3d that cannot start what was not made whole.
const HALF_MADE: &str = r#"[ "$1 $2" = 'cluster delete' ] && rm -f "$(dirname "$0")/half"
[ "$1 $2" = 'cluster start' ] && [ -e "$(dirname "$0")/half" ] && { echo 'no server node' >&2; exit 1; }"#;

#[tokio::test]
async fn a_cluster_that_was_half_made_makes_way_for_a_whole_one() {
    for start_anew in [false, true] {
        let laptop = Laptop::new(DOCKER, &format!("{CUT_OFF}\n{K3D}"));
        let deployment = Deployment::start(options(), None, laptop.settings.clone()).unwrap();
        wait_until_making(&deployment).await;
        while !laptop.has("half") {
            tokio::task::yield_now().await;
        }
        drop(deployment);

        program(laptop.folder.path(), "k3d", &format!("{HALF_MADE}\n{K3D}"));
        match start_anew {
            true => laptop.deploy(options()).await,
            false => laptop.resume().await,
        };

        assert!(laptop.has("flotilla.made") && laptop.has("flotilla.runs") && !laptop.has("half"));
        assert_eq!((laptop.k3d_calls("cluster delete flotilla"), laptop.k3d_calls("cluster create")), (1, 2));
    }
}

#[tokio::test]
async fn a_cluster_that_k3d_itself_could_not_make_is_not_deleted_later() {
    let failing = format!("[ \"$1 $2\" = 'cluster create' ] && {{ echo 'rolled back' >&2; exit 1; }}\n{K3D}");
    let laptop = Laptop::new(DOCKER, &failing);
    laptop.deploy(options()).await;

    // Somebody makes it by hand.
    program(laptop.folder.path(), "k3d", K3D);
    fs::write(laptop.folder.path().join("flotilla.made"), "").unwrap();
    laptop.resume().await;

    assert_eq!(laptop.k3d_calls("cluster delete"), 0);
}

#[tokio::test]
async fn stopping_a_deploy_ends_the_program_that_it_runs() {
    let making = format!(
        "[ \"$1 $2\" = 'cluster create' ] && {{ echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 1000; }}\n{K3D}"
    );
    let laptop = Laptop::new(DOCKER, &making);
    let deployment = Deployment::start(options(), None, laptop.settings.clone()).unwrap();
    wait_until_making(&deployment).await;
    let pid = laptop.folder.path().join("pid");
    while !pid.exists() {
        tokio::task::yield_now().await;
    }

    deployment.cancel();
    let plan = deployment.finished().await;

    assert_eq!(plan.status, PlanStatus::Cancelled);
    let pid = fs::read_to_string(pid).unwrap();
    while is_running(pid.trim()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_laptop_without_k3d_is_told_where_to_get_it() {
    let mut laptop = Laptop::new(DOCKER, K3D);
    laptop.settings.programs.k3d = "/nowhere/k3d".into();
    assert_check(&laptop.deploy(options()).await, "k3d", "Install it from https://k3d.io");
}

#[tokio::test]
async fn a_laptop_without_docker_is_told_where_to_get_it() {
    let mut laptop = Laptop::new(DOCKER, K3D);
    laptop.settings.programs.docker = "/nowhere/docker".into();
    assert_check(&laptop.deploy(options()).await, "docker", "Install it from https://docs.docker.com");
}

#[tokio::test]
async fn a_docker_that_does_not_run_is_told_apart_from_none() {
    let off = "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1";
    let laptop = Laptop::new(off, K3D);
    assert_check(&laptop.deploy(options()).await, "docker", "Start Docker");
}

#[tokio::test]
async fn an_old_k3d_is_told_what_to_become() {
    let laptop = Laptop::new(DOCKER, "echo 'k3d version v4.4.8'");
    assert_check(&laptop.deploy(options()).await, "k3d", "Install version 5");
}

#[tokio::test]
async fn a_taken_port_is_named_before_anything_is_made() {
    let laptop = Laptop::new(DOCKER, K3D);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let target = Target::K3d { name: flotilla(), agents: 0, http_port: port };

    let plan = laptop.deploy(DeployOptions { target, ..options() }).await;

    assert_check(&plan, "port", &format!("Another program uses port {port}"));
    assert!(!laptop.has("flotilla.made"));
}

#[tokio::test]
async fn too_little_memory_and_disk_are_named() {
    // Nothing can be stored where the kernel shows its processes.
    let laptop = Laptop::new(&DOCKER.replace("8000000000 /", "500000000 /proc"), K3D);
    let plan = laptop.deploy(options()).await;
    assert_check(&plan, "memory", "Docker has 0.5 GB of memory");
    assert_check(&plan, "disk", "Docker has 0.0 GB of disk, and 4.0 GB would be good. Free some space");
}

#[tokio::test]
async fn missing_images_are_named_when_there_is_nothing_to_build_them_from() {
    let none = DOCKER.replace("echo 1000", "echo 'Error: No such image: x' >&2; exit 1");
    let laptop = Laptop::new(&none, K3D);
    assert_check(&laptop.deploy(options()).await, "images", "Run `make images`");
}

#[tokio::test]
async fn a_full_disk_is_said_to_be_full() {
    let full = format!(
        "[ \"$1 $2\" = 'cluster create' ] && {{ echo 'write /var: no space left on device' >&2; exit 1; }}\n{K3D}"
    );
    let laptop = Laptop::new(DOCKER, &full);

    let plan = laptop.deploy(options()).await;

    let error = plan.step(StepId::Cluster).error.clone().unwrap();
    assert!(error.message.contains("The disk is full") && error.retryable, "{error}");
}

#[tokio::test]
async fn a_k3d_that_prints_something_else_is_not_believed() {
    let laptop = Laptop::new(DOCKER, &K3D.replace("echo '[]'", "echo NAME SERVERS AGENTS"));
    let plan = laptop.deploy(options()).await;
    let error = plan.step(StepId::Cluster).error.clone().unwrap();
    assert!(error.message.contains("Install k3d 5"), "{error}");
}

#[tokio::test]
async fn a_plan_cannot_be_resumed_where_there_was_none() {
    let laptop = Laptop::new(DOCKER, K3D);
    assert!(last_plan(&laptop.settings).unwrap().is_none());
    let error = Deployment::resume(None, laptop.settings.clone()).err().unwrap();
    assert!(error.message.contains("Start a new one"), "{error}");
}

#[tokio::test]
async fn options_that_a_program_could_take_for_flags_are_refused() {
    let laptop = Laptop::new(DOCKER, K3D);
    let registry = |prefix: &str| Images::Registry { prefix: prefix.into() };
    let bad = [
        DeployOptions { images: registry("-x"), ..options() },
        DeployOptions { images: registry("a b"), ..options() },
        DeployOptions { url: "file:///etc/passwd".into(), ..options() },
        DeployOptions { load_command: Some(" ".into()), ..options() },
    ];
    for options in bad {
        assert!(Deployment::start(options.clone(), None, laptop.settings.clone()).is_err(), "{options:?}");
    }
}

#[test]
fn a_cluster_that_is_named_like_a_flag_cannot_be_asked_for() {
    for name in ["--all", "Flotilla", ""] {
        let mut options = serde_json::to_value(DeployOptions::default()).unwrap();
        options["target"]["name"] = name.into();
        assert!(serde_json::from_value::<DeployOptions>(options).is_err(), "{name:?}");
    }
}

#[test]
fn options_look_to_typescript_as_agreed() {
    let json =
        serde_json::to_value(DeployOptions { overlay: Overlay::OllamaHost, ..DeployOptions::default() }).unwrap();
    let expected = serde_json::json!({
        "target": {"kind": "k3d", "name": "flotilla", "agents": 0, "http_port": 80},
        "overlay": "ollama-host", "images": {"kind": "build"}, "load_command": null, "url": "http://localhost",
    });
    assert_eq!(json, expected);
}

#[tokio::test]
async fn a_k3d_cluster_is_stopped_started_and_deleted() {
    let laptop = Laptop::new(DOCKER, K3D);
    laptop.deploy(options()).await;
    let programs = &laptop.settings.programs;

    stop_k3d(&flotilla(), programs).await.unwrap();
    assert!(laptop.has("flotilla.made") && !laptop.has("flotilla.runs"));
    start_k3d(&flotilla(), programs).await.unwrap();
    assert!(laptop.has("flotilla.runs"));
    delete_k3d(&flotilla(), programs).await.unwrap();
    assert!(!laptop.has("flotilla.made"));
}

async fn wait_until_making(deployment: &Deployment) {
    let mut updates = deployment.updates();
    let making =
        |plan: &Plan| plan.step(StepId::Cluster).detail.as_deref().is_some_and(|detail| detail.starts_with("Making"));
    updates.wait_for(making).await.unwrap();
}

fn is_running(pid: &str) -> bool {
    // What has ended and was not waited for yet is a zombie.
    let status = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    let ended = status.is_ok_and(|status| status.contains(") Z "));
    !ended && Command::new("kill").args(["-0", pid]).output().unwrap().status.success()
}

fn assert_check(plan: &Plan, name: &str, words: &str) {
    let check = plan.checks.iter().find(|check| check.name == name).unwrap();
    assert_eq!(check.status, CheckStatus::Failed, "{check:?}");
    assert!(check.message.contains(words), "{words:?} is not in {check:?}");
    let step = plan.step(StepId::Preflight);
    assert_eq!((plan.status, step.status), (PlanStatus::Failed, StepStatus::Failed));
    assert!(step.error.as_ref().unwrap().message.contains(words));
}
