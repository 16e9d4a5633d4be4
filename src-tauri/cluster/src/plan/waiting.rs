//! Why a pod of a rollout waits, in words.

use k8s_openapi::api::core::v1::Pod;

/// None for a pod that is ready.
pub(super) fn why_not_ready(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    if conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True") {
        return None;
    }
    if let Some(unscheduled) = conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status != "True") {
        return Some(format!("no node takes it: {}", unscheduled.message.as_deref().unwrap_or("no reason is given")));
    }
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let waiting = containers.filter_map(|container| Some((container, container.state.as_ref()?.waiting.as_ref()?)));
    for (container, state) in waiting {
        let reason = state.reason.as_deref().unwrap_or_default();
        if reason == "PodInitializing" {
            continue;
        }
        let message = state.message.as_deref().unwrap_or_default();
        return Some(match reason {
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" => {
                format!(
                    "its node has no image {} and cannot pull it. Load it, or deploy from a registry.",
                    container.image
                )
            }
            "ContainerCreating" => "its container is being made.".to_owned(),
            "CrashLoopBackOff" => format!("{} ends again and again; its log says why.", container.name),
            _ => format!("{} waits: {reason} {message}", container.name),
        });
    }
    Some("it has started and is not ready to answer yet.".to_owned())
}
