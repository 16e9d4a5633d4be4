//! Why a pod is not ready, in words: from its conditions and the states of its containers.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus};

use super::is_ready;

/// Why the pod is not ready and, where it helps, what to do. `None` for a pod that is.
pub fn why_not_ready(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some(match pod.metadata.deletion_grace_period_seconds {
            Some(seconds) => format!("It is shutting down and has up to {seconds} s to finish what it is doing."),
            None => "It is shutting down.".to_owned(),
        });
    }
    if is_ready(pod) {
        return None;
    }
    let Some(status) = &pod.status else {
        return Some("It waits for the scheduler to pick a node.".to_owned());
    };
    match status.phase.as_deref() {
        Some("Failed") => return Some(failed(status)),
        Some("Succeeded") => return Some("All its containers have ended.".to_owned()),
        _ => {}
    }
    unscheduled(status)
        .or_else(|| init_container_waits(pod, status))
        .or_else(|| statuses(status.container_statuses.as_deref()).iter().find_map(why_container_is_not_ready))
        .or_else(|| gate_is_closed(status))
        .or_else(|| node_is_lost(status))
        .or_else(|| Some(starting(pod)))
}

fn failed(status: &PodStatus) -> String {
    let message = status.message.as_deref().unwrap_or_default();
    match status.reason.as_deref() {
        Some("Evicted") => return format!("The node evicted it: {}", sentence(message)),
        Some(reason) => return format!("It failed ({reason}). {}", sentence(message)).trim().to_owned(),
        None => {}
    }
    let ended = statuses(status.container_statuses.as_deref()).iter().find_map(|container| {
        let ended = container.state.as_ref()?.terminated.as_ref()?;
        (ended.exit_code != 0).then(|| format!("Its container {} {}.", container.name, how_it_ended(ended)))
    });
    ended.unwrap_or_else(|| "It failed, and Kubernetes does not start it again.".to_owned())
}

fn unscheduled(status: &PodStatus) -> Option<String> {
    let scheduled = condition(status, "PodScheduled").filter(|(scheduled, ..)| *scheduled == "False")?;
    let (_, reason, message) = scheduled;
    Some(match reason {
        "Unschedulable" => format!("No node takes it: {}", sentence(without_preemption(message))),
        "SchedulingGated" => "A scheduling gate holds it back.".to_owned(),
        _ => format!("It is not scheduled: {}", sentence(message)),
    })
}

/// The scheduler adds what evicting other pods or releasing devices would not help either, which nobody asked.
fn without_preemption(message: &str) -> &str {
    let message = message.split(" preemption:").next().unwrap_or(message);
    message.split(" no new claims to deallocate,").next().unwrap_or(message).trim()
}

fn init_container_waits(pod: &Pod, status: &PodStatus) -> Option<String> {
    let initialized = condition(status, "Initialized").is_some_and(|(status, ..)| status == "True");
    if initialized {
        return None;
    }
    let containers = statuses(status.init_container_statuses.as_deref());
    let current = containers.iter().find(|container| !container.ready)?;
    let specs = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let is_sidecar = specs.iter().any(|spec| spec.name == current.name && spec.restart_policy.is_some());
    let is_running = current.state.as_ref().is_some_and(|state| state.running.is_some());
    if is_running && !is_sidecar {
        // It has no probe: it is ready when it has ended.
        return Some(format!("Its init container {} is still running.", current.name));
    }
    why_container_is_not_ready(current)
}

fn why_container_is_not_ready(container: &ContainerStatus) -> Option<String> {
    let name = &container.name;
    let state = container.state.as_ref()?;
    if let Some(ended) = &state.terminated {
        return (ended.exit_code != 0 || !container.ready)
            .then(|| format!("Its container {name} {}.", how_it_ended(ended)));
    }
    if let Some(waiting) = &state.waiting {
        let message = waiting.message.as_deref().unwrap_or_default();
        return Some(waits(container, waiting.reason.as_deref().unwrap_or_default(), message));
    }
    if container.ready || state.running.is_none() {
        return None;
    }
    Some(match container.started {
        Some(false) => format!("Its container {name} is starting: the startup probe has not succeeded yet."),
        _ => format!("Its container {name} runs, but its readiness probe does not succeed, so it gets no traffic."),
    })
}

fn waits(container: &ContainerStatus, reason: &str, message: &str) -> String {
    let (name, image) = (&container.name, &container.image);
    match reason {
        "ErrImagePull" | "ImagePullBackOff" => format!(
            "The image {image} of its container {name} cannot be pulled. Check its name, the registry and the pull \
             secret, or load it into the nodes. {}",
            sentence(pull_cause(message))
        )
        .trim()
        .to_owned(),
        "InvalidImageName" => format!("The image name {image} of its container {name} is not valid."),
        "ErrImageNeverPull" => {
            format!("The image {image} is not on the node, and its pull policy forbids pulling it: load it first.")
        }
        "CrashLoopBackOff" => {
            let ended = container.last_state.as_ref().and_then(|state: &ContainerState| state.terminated.as_ref());
            let how = ended.map_or_else(|| "ended".to_owned(), how_it_ended);
            let restarts = container.restart_count;
            format!(
                "Its container {name} {how} again and again ({restarts} restarts); Kubernetes waits longer before each \
                 new start. The previous container's log says why."
            )
        }
        "CreateContainerConfigError" => format!("Its container {name} lacks configuration: {}", sentence(message)),
        "CreateContainerError" | "RunContainerError" => {
            format!("Its container {name} cannot be started: {}", sentence(message))
        }
        "ContainerCreating" => format!("Its container {name} is being created: image, volumes and network."),
        "PodInitializing" => format!("Its container {name} waits for the init containers."),
        "" => format!("Its container {name} waits."),
        _ => format!("Its container {name} waits ({reason}). {}", sentence(message)).trim().to_owned(),
    }
}

/// The kubelet wraps the cause: `Back-off pulling image "x": ErrImagePull: the cause`.
fn pull_cause(message: &str) -> &str {
    let cause = message.rsplit_once("ErrImagePull: ").map_or(message, |(_, cause)| cause);
    if cause.starts_with("Back-off pulling image") { "" } else { cause }
}

fn how_it_ended(ended: &ContainerStateTerminated) -> String {
    match (ended.reason.as_deref(), ended.signal) {
        (Some("OOMKilled"), _) => "was killed because it used more memory than its limit".to_owned(),
        (Some("ContainerStatusUnknown"), _) => "was lost with its node".to_owned(),
        (_, Some(signal)) if signal != 0 => format!("was killed by signal {signal}"),
        (Some("StartError"), _) => {
            format!("could not be started: {}", ended.message.as_deref().unwrap_or("no reason given").trim())
        }
        _ if ended.exit_code > 128 => format!("was killed by signal {}", ended.exit_code - 128),
        _ => format!("ended with exit code {}", ended.exit_code),
    }
}

fn gate_is_closed(status: &PodStatus) -> Option<String> {
    let (_, reason, message) = condition(status, "Ready")?;
    (reason == "ReadinessGatesNotReady").then(|| format!("A readiness gate holds it back: {}", sentence(message)))
}

fn node_is_lost(status: &PodStatus) -> Option<String> {
    let lost = status.reason.as_deref() == Some("NodeLost") || status.phase.as_deref() == Some("Unknown");
    lost.then(|| "Its node does not report any more.".to_owned())
}

fn starting(pod: &Pod) -> String {
    match pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) {
        Some(node) => format!("The node {node} is starting it."),
        None => "It waits for the scheduler to pick a node.".to_owned(),
    }
}

/// Status, reason and message of a condition.
fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let condition = status.conditions.as_deref()?.iter().find(|condition| condition.type_ == kind)?;
    let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
    Some((&condition.status, text(&condition.reason), text(&condition.message)))
}

fn statuses(statuses: Option<&[ContainerStatus]>) -> &[ContainerStatus] {
    statuses.unwrap_or_default()
}

/// The text as a sentence of its own, cut to what fits in a table.
fn sentence(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    let text = text.trim();
    let mut sentence: String = text.chars().take(MAX_CHARS).collect();
    if sentence.len() < text.len() {
        sentence.push('…');
    } else if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "backend-1", "namespace": "flotilla"},
            "spec": {"containers": [{"name": "backend", "image": "flotilla-backend:1"}], "nodeName": "lab"},
            "status": status,
        }))
        .unwrap()
    }

    fn container(state: Value) -> Value {
        json!({"name": "backend", "image": "flotilla-backend:1", "imageID": "", "ready": false, "restartCount": 4,
               "started": true, "state": state})
    }

    fn why(status: Value) -> String {
        why_not_ready(&pod(status)).unwrap()
    }

    #[test]
    fn a_ready_pod_needs_no_reason() {
        let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(why_not_ready(&pod(ready)), None);
    }

    #[test]
    fn a_full_cluster_is_named_in_the_schedulers_words() {
        let message = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes \
                       are available: 1 No preemption victims found for incoming pod.";
        let conditions =
            json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
        let why = why(json!({"phase": "Pending", "conditions": conditions}));
        assert_eq!(why, "No node takes it: 0/1 nodes are available: 1 Insufficient cpu.");
    }

    #[test]
    fn a_missing_image_says_what_to_do_and_keeps_the_cause() {
        let message = "Back-off pulling image \"x\": ErrImagePull: failed to resolve reference: not found";
        let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
        let why = why(json!({"phase": "Pending", "containerStatuses": [container(state)]}));
        assert_eq!(
            why,
            "The image flotilla-backend:1 of its container backend cannot be pulled. Check its name, the registry and \
             the pull secret, or load it into the nodes. failed to resolve reference: not found."
        );
    }

    #[test]
    fn a_crash_loop_says_how_the_last_container_ended() {
        let mut container = container(json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        container["lastState"] = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
        let why = why(json!({"phase": "Running", "containerStatuses": [container]}));
        assert!(why.starts_with("Its container backend ended with exit code 1 again and again (4 restarts)"), "{why}");
    }

    #[test]
    fn a_container_that_ran_out_of_memory_is_told_from_one_that_failed() {
        let mut container = container(json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        container["lastState"] = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let why = why(json!({"phase": "Running", "containerStatuses": [container]}));
        assert!(why.contains("used more memory than its limit"), "{why}");
    }

    #[test]
    fn a_failing_readiness_probe_is_told_from_a_startup_probe() {
        let running = json!({"running": {}});
        let ready = why(json!({"phase": "Running", "containerStatuses": [container(running.clone())]}));
        assert!(ready.contains("readiness probe"), "{ready}");
        let mut starting = container(running);
        starting["started"] = json!(false);
        let starting = why(json!({"phase": "Running", "containerStatuses": [starting]}));
        assert!(starting.contains("startup probe"), "{starting}");
    }

    #[test]
    fn a_missing_secret_is_named() {
        let message = "secret \"flotilla-database\" not found";
        let state = json!({"waiting": {"reason": "CreateContainerConfigError", "message": message}});
        let why = why(json!({"phase": "Pending", "containerStatuses": [container(state)]}));
        assert_eq!(why, "Its container backend lacks configuration: secret \"flotilla-database\" not found.");
    }

    #[test]
    fn an_init_container_that_fails_counts_before_the_containers_that_wait_for_it() {
        let mut init = container(json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        init["name"] = json!("wait-for-postgres");
        let waiting = container(json!({"waiting": {"reason": "PodInitializing"}}));
        let status = json!({"phase": "Pending", "initContainerStatuses": [init], "containerStatuses": [waiting],
                            "conditions": [{"type": "Initialized", "status": "False"}]});
        assert!(why(status).starts_with("Its container wait-for-postgres ended again and again"));
    }

    #[test]
    fn an_init_container_that_runs_is_not_said_to_fail_a_probe() {
        let mut init = container(json!({"running": {}}));
        init["name"] = json!("await-postgres");
        let status = json!({"phase": "Pending", "initContainerStatuses": [init],
                            "conditions": [{"type": "Initialized", "status": "False"}]});
        assert_eq!(why(status), "Its init container await-postgres is still running.");
    }

    #[test]
    fn an_evicted_pod_says_that_the_node_did_it() {
        let status =
            json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
        assert_eq!(why(status), "The node evicted it: The node was low on resource: memory.");
    }

    #[test]
    fn a_pod_that_shuts_down_says_how_long_it_may_take() {
        let mut pod = pod(json!({"phase": "Running"}));
        pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-11-24T20:00:00Z")).unwrap();
        pod.metadata.deletion_grace_period_seconds = Some(60);
        let why = why_not_ready(&pod).unwrap();
        assert_eq!(why, "It is shutting down and has up to 60 s to finish what it is doing.");
    }

    #[test]
    fn a_reason_that_nobody_foresaw_is_still_shown() {
        let state = json!({"waiting": {"reason": "NewInKubernetes9", "message": "flux capacitor"}});
        let why = why(json!({"phase": "Pending", "containerStatuses": [container(state)]}));
        assert_eq!(why, "Its container backend waits (NewInKubernetes9). flux capacitor.");
    }

    #[test]
    fn a_pod_that_nobody_looked_at_yet_waits_for_the_scheduler() {
        assert_eq!(why_not_ready(&Pod::default()).unwrap(), "It waits for the scheduler to pick a node.");
    }
}
