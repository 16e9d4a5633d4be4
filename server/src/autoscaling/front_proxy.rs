//! How the API server shows that it is the one who asks: a client certificate, of an authority and with a name that it
//! tells in a ConfigMap of kube-system. It has checked by then that whoever asked it may ask, so nothing more is checked
//! here, and the server needs no right to check it:
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/>.

use std::sync::Arc;

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Who signs the API server's client certificate, and which names it may have.
pub struct FrontProxy {
    pub authorities: Arc<RootCertStore>,
    /// None is any.
    names: Vec<String>,
}

impl FrontProxy {
    /// Ask the API server. It takes the Role `extension-apiserver-authentication-reader` of kube-system.
    pub async fn read(client: Client) -> anyhow::Result<Self> {
        let config_maps = Api::<ConfigMap>::namespaced(client, "kube-system");
        let config_map = config_maps.get("extension-apiserver-authentication").await?;
        let data = config_map.data.unwrap_or_default();
        let value = |key: &str| data.get(key).map(String::as_str);
        let pem = value("requestheader-client-ca-file").context("the API server has no front proxy")?;
        let names = value("requestheader-allowed-names").unwrap_or("[]");
        Self::new(pem, serde_json::from_str(names).context("the names of the front proxy cannot be read")?)
    }

    fn new(pem: &str, names: Vec<String>) -> anyhow::Result<Self> {
        let mut authorities = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            authorities.add(certificate.context("the front proxy's authority is not PEM")?)?;
        }
        ensure!(!authorities.is_empty(), "the front proxy has no authority");
        Ok(Self { authorities: Arc::new(authorities), names })
    }

    /// Whether this certificate, which one of the authorities has signed, is the front proxy's.
    pub fn owns(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
        let mut names = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        self.names.is_empty() || names.any(|name| self.names.iter().any(|allowed| allowed == name))
    }
}
