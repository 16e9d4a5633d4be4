//! Where a forward leads: which pods, and which of their ports.

use k8s_openapi::{
    api::core::v1::{Pod, Service},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::Api;

use crate::{Cluster, Error, ErrorKind, Result, connection::answer};

/// Which pods a service of the cluster leads to, and which of their ports.
pub(super) async fn find(cluster: &Cluster, service: &str, port: u16) -> Result<(String, IntOrString)> {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    destination(&answer(services.get(service)).await?, port)
}

fn destination(service: &Service, port: u16) -> Result<(String, IntOrString)> {
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let spec = service.spec.as_ref();
    let selector = spec.and_then(|spec| spec.selector.as_ref()).filter(|selector| !selector.is_empty());
    let Some(selector) = selector else {
        let message = format!("The service {name} selects no pods, so there is nothing to forward to.");
        return Err(Error::lasting(ErrorKind::NotFound, message));
    };
    let ports = spec.and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let Some(found) = ports.iter().find(|candidate| candidate.port == i32::from(port)) else {
        let known: Vec<_> = ports.iter().map(|port| port.port.to_string()).collect();
        let message = format!("The service {name} has no port {port}. Choose one of: {}.", known.join(", "));
        return Err(Error::lasting(ErrorKind::NotFound, message));
    };
    let selector: Vec<_> = selector.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let target = found.target_port.clone().unwrap_or(IntOrString::Int(i32::from(port)));
    Ok((selector.join(","), target))
}

pub(super) fn container_port(pod: &Pod, target: &IntOrString) -> Option<u16> {
    match target {
        IntOrString::Int(port) => u16::try_from(*port).ok(),
        IntOrString::String(name) => {
            let containers = &pod.spec.as_ref()?.containers;
            let mut ports = containers.iter().flat_map(|container| container.ports.as_deref().unwrap_or_default());
            let port = ports.find(|port| port.name.as_ref() == Some(name))?;
            u16::try_from(port.container_port).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        serde_json::from_str(include_str!("../../tests/fixtures/service-backend.json")).unwrap()
    }

    #[test]
    fn a_service_leads_to_the_port_that_it_targets() {
        let pod: Pod = serde_json::from_str(include_str!("../../tests/fixtures/pod-running.json")).unwrap();
        let http = IntOrString::String("http".to_owned());
        let selector = "app.kubernetes.io/name=backend".to_owned();
        assert_eq!(destination(&service(), 8000), Ok((selector.clone(), http.clone())));
        assert_eq!(destination(&service(), 9000), Ok((selector, IntOrString::Int(9000))));
        assert_eq!(container_port(&pod, &http), Some(8000));
        assert_eq!(container_port(&pod, &IntOrString::String("grpc".to_owned())), None);
    }

    #[test]
    fn a_port_that_the_service_lacks_is_answered_with_those_that_it_has() {
        let error = destination(&service(), 80).unwrap_err();
        assert_eq!(error.message, "The service backend has no port 80. Choose one of: 8000, 9000.");
    }
}
