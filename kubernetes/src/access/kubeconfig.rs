//! What is taken out of a kubeconfig before kube reads it, because kubectl reads it differently: the
//! proxy and the authorities of its cluster.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Config,
    config::{Cluster, KubeConfigOptions, Kubeconfig},
};
use runtime::{proxy::Proxies, trust};
use rustls::pki_types::CertificateDer;

use super::AccessError;

/// What kube finds in place of the proxy. Without any, it reads the environment, and fails if that is
/// not to its liking.
const PLACEHOLDER: &str = "http://proxy.invalid";
/// Who names the proxy of a kubeconfig.
const PROXY_URL: &str = "proxy-url of the kubeconfig";

/// What was taken out.
pub(super) struct Apart {
    proxy: Option<String>,
    authority: Option<Authority>,
}

struct Authority {
    pem: Vec<u8>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Apart {
    /// Takes it out of the cluster of the chosen context. A kubeconfig without one is left to kube,
    /// which says what it misses.
    pub(super) fn take(
        kubeconfig: &mut Kubeconfig,
        options: &KubeConfigOptions,
    ) -> Result<Self, AccessError> {
        let mut apart = Self {
            proxy: None,
            authority: None,
        };
        if let Some(cluster) = chosen(kubeconfig, options) {
            apart.authority = authority(cluster)?;
            if apart.authority.is_some() {
                cluster.certificate_authority = None;
                cluster.certificate_authority_data = None;
            }
            let proxy = cluster.proxy_url.replace(PLACEHOLDER.to_owned());
            apart.proxy = proxy.filter(|url| !url.is_empty());
        }
        Ok(apart)
    }

    /// Completes what kube has read, and returns the way to the cluster.
    pub(super) fn put_back(self, config: &mut Config) -> Proxies {
        let Self { proxy, authority } = self;
        let mut trusted = Vec::new();
        // What a credential plugin is told of its cluster.
        let exec = config.auth_info.exec.as_mut();
        let mut told = exec.and_then(|exec| exec.cluster.as_mut());
        if let Some(Authority { pem, certificates }) = authority {
            let ders = certificates.iter().map(|it| it.to_vec());
            config.root_cert = Some(ders.collect());
            trusted = certificates;
            if let Some(told) = &mut told {
                told.certificate_authority_data = Some(pem);
            }
        }
        if let Some(told) = &mut told {
            told.proxy_url.clone_from(&proxy);
        }
        let proxies = match proxy {
            Some(url) => Proxies::always(PROXY_URL, &url),
            None => Proxies::of_environment(),
        };
        // A Go client verifies a proxy with the authorities of the cluster, so that they contain the
        // proxy's own if need be.
        proxies.trusting(trusted)
    }
}

fn chosen<'a>(
    kubeconfig: &'a mut Kubeconfig,
    options: &KubeConfigOptions,
) -> Option<&'a mut Cluster> {
    let current = options
        .context
        .as_ref()
        .or(kubeconfig.current_context.as_ref())?;
    let context = kubeconfig.contexts.iter().find(|it| it.name == *current)?;
    let context = context.context.as_ref()?;
    let name = options.cluster.as_ref().unwrap_or(&context.cluster);
    let mut clusters = kubeconfig.clusters.iter_mut();
    clusters.find(|it| it.name == *name)?.cluster.as_mut()
}

/// The authorities of the cluster. `None` if there are none, or if they cannot be read, which is left
/// to kube to say.
fn authority(cluster: &Cluster) -> Result<Option<Authority>, AccessError> {
    let pem = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) => STANDARD.decode(data.trim()).ok(),
        (None, Some(path)) => fs::read(path).ok(),
        (None, None) => None,
    };
    let Some(pem) = pem else {
        return Ok(None);
    };
    let certificates = trust::certificates(&pem);
    if certificates.is_empty() {
        return Err(AccessError::Authority);
    }
    Ok(Some(Authority { pem, certificates }))
}
