//! Whatever a machine lacks costs a sentence and a retry: once it is mended, the same plan goes on.

use std::{fs, net::TcpListener};

use flotilla_cluster::plan::{PlanStatus, StepId, StepStatus, Target};

use crate::{
    fake_cluster::api_server,
    laptop::{DISK_FULL_OF_AN_IMAGE, DOCKER, Laptop, k3d_with, options},
    support::program,
};

type Mend = Box<dyn FnOnce()>;
/// Breaks something of a laptop, whose web port is given, and tells how to mend it.
type Fault = fn(&Laptop, u16) -> Mend;

/// What the step says of each fault.
const FAULTS: [(Fault, StepId, &str); 9] = [
    (no_docker, StepId::Preflight, "The program docker is not there"),
    (docker_is_off, StepId::Preflight, "Start Docker"),
    (no_k3d, StepId::Preflight, "The program k3d is not there"),
    (port_is_taken, StepId::Preflight, "Another program uses port"),
    (images_are_missing, StepId::Preflight, "Run `make images`"),
    (no_memory, StepId::Preflight, "Docker has 0.5 GB of memory"),
    (disk_is_too_small, StepId::Preflight, "Docker has 0.0 GB of disk"),
    (disk_gets_full_of_the_cluster, StepId::Cluster, "The disk is full"),
    (disk_gets_full_of_an_image, StepId::Images, "The disk is full"),
];

#[tokio::test]
async fn every_fault_of_the_machine_can_be_mended_and_gone_on_from() {
    for (fault, step, words) in FAULTS {
        let laptop = Laptop::new(DOCKER, &k3d_with(&api_server("uid-1")));
        let options = options();
        let Target::K3d { http_port, .. } = options.target else { unreachable!() };
        let mend = fault(&laptop, http_port);

        let failed = laptop.deploy(options).await;
        let error = failed.step(step).error.clone().unwrap_or_else(|| panic!("{words}: {failed:#?}"));
        assert!(error.message.contains(words) && error.retryable, "{words:?} is not in {error:?}");

        mend();
        let resumed = laptop.resume().await;
        assert_eq!((resumed.step(step).status, &resumed.step(step).error), (StepStatus::Done, &None), "{words}");
        // All that comes before the first question is done.
        assert_eq!((resumed.id, resumed.status), (failed.id, PlanStatus::Waiting), "{words}");
        assert!(laptop.has("flotilla.runs"), "{words}");
    }
}

fn no_docker(laptop: &Laptop, _: u16) -> Mend {
    without(laptop, "docker")
}

fn docker_is_off(laptop: &Laptop, _: u16) -> Mend {
    instead(laptop, "docker", "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1")
}

fn no_k3d(laptop: &Laptop, _: u16) -> Mend {
    without(laptop, "k3d")
}

fn port_is_taken(_: &Laptop, port: u16) -> Mend {
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    Box::new(|| drop(taken))
}

fn images_are_missing(laptop: &Laptop, _: u16) -> Mend {
    instead(laptop, "docker", "[ $1 = image ] && { echo 'Error: No such image: x' >&2; exit 1; }")
}

fn no_memory(laptop: &Laptop, _: u16) -> Mend {
    instead(laptop, "docker", "[ $1 = info ] && { echo '500000000 /'; exit; }")
}

fn disk_is_too_small(laptop: &Laptop, _: u16) -> Mend {
    // Nothing can be stored where the kernel shows its processes.
    instead(laptop, "docker", "[ $1 = info ] && { echo '8000000000 /proc'; exit; }")
}

fn disk_gets_full_of_the_cluster(laptop: &Laptop, _: u16) -> Mend {
    let full = "[ \"$1 $2\" = 'cluster create' ] && { echo 'write /var: no space left on device' >&2; exit 1; }";
    instead(laptop, "k3d", full)
}

fn disk_gets_full_of_an_image(laptop: &Laptop, _: u16) -> Mend {
    instead(laptop, "k3d", DISK_FULL_OF_AN_IMAGE)
}

fn without(laptop: &Laptop, name: &str) -> Mend {
    let program = laptop.folder.path().join(name);
    let elsewhere = program.with_extension("whole");
    fs::rename(&program, &elsewhere).unwrap();
    Box::new(move || fs::rename(elsewhere, program).unwrap())
}

/// Let the program do `body` first, and what it did before where that does not end it.
fn instead(laptop: &Laptop, name: &str, body: &str) -> Mend {
    let mend = without(laptop, name);
    program(laptop.folder.path(), name, &format!("{body}\nexec \"$0.whole\" \"$@\""));
    mend
}
