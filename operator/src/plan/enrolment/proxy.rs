//! Judges the proxy that an `AddOnDeploymentConfig` gives the agent. An agent that cannot use its proxy
//! reaches no hub, so nobody would hear of it from there. Pure.

use crds::{
    addon::{ConfigSpecHash, ManagedClusterAddOnStatus, ProxyConfig},
    cluster_core::PublicUrl,
};
use k8s_openapi::ByteString;
use runtime::{
    proxy::{Exemptions, Proxy},
    trust,
};

use super::selected_cluster::SelectedCluster;
use crate::plan::Finding;

/// The condition of the add-on that carries the agent.
pub(crate) const PROXY_USABLE: &str = "ProxyUsable";

/// Whether the agent can use what the configuration says. `None` if that names no proxy, and the
/// add-on has no condition of an earlier one.
pub(super) fn judge(
    cluster: &SelectedCluster<'_>,
    status: &ManagedClusterAddOnStatus,
) -> Option<Finding> {
    let finding = |holds, reason, message| Finding {
        kind: PROXY_USABLE,
        holds,
        reason,
        message,
    };
    let config = cluster.deployment_config();
    let named = config.filter(|(_, spec)| spec.proxy_config != ProxyConfig::default());
    let Some((
        ConfigSpecHash {
            namespace, name, ..
        },
        spec,
    )) = named
    else {
        let earlier = status.condition(PROXY_USABLE);
        return earlier.map(|_| finding(true, "NoProxy", String::new()));
    };
    let faults = faults(&spec.proxy_config);
    Some(if faults.is_empty() {
        finding(true, "AsConfigured", String::new())
    } else {
        let faults = faults.join("; ");
        let message = format!("AddOnDeploymentConfig {namespace}/{name}: {faults}");
        finding(false, "ProxyConfigInvalid", message)
    })
}

fn faults(config: &ProxyConfig) -> Vec<String> {
    let ProxyConfig {
        http,
        https,
        ca_bundle,
        no_proxy,
    } = config;
    let mut faults = Vec::new();
    for (field, url) in [("httpProxy", http), ("httpsProxy", https)] {
        if !url.is_empty()
            && let Err(fault) = url.parse::<Proxy>()
        {
            let shown = PublicUrl::from(url.as_str());
            let shown = shown.as_str();
            faults.push(format!(
                "spec.proxyConfig.{field} {shown:?} is unusable: {fault}"
            ));
        }
    }
    for entry in Exemptions::meaningless(no_proxy) {
        faults.push(format!(
            "spec.proxyConfig.noProxy has {entry:?}, which is no host, domain, address or range"
        ));
    }
    if let Some(ByteString(bundle)) = ca_bundle
        && !bundle.is_empty()
        && trust::certificates(bundle).is_empty()
    {
        faults.push("spec.proxyConfig.caBundle contains no usable PEM certificate".to_owned());
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(http: &str, https: &str, no_proxy: &str) -> Vec<String> {
        faults(&ProxyConfig {
            http: http.to_owned(),
            https: https.to_owned(),
            no_proxy: no_proxy.to_owned(),
            ca_bundle: None,
        })
    }

    #[test]
    fn what_agents_take_is_no_fault() {
        for url in [
            "",
            "http://proxy:3128",
            "https://u:p@proxy",
            "socks5://proxy",
            "proxy:3128",
        ] {
            let list = ".cluster.local,.svc, 10.0.0.0/16,localhost,*.corp,[::1]:80,hub:6443,,";
            assert!(faults_of(url, url, list).is_empty(), "{url}");
        }
    }

    #[test]
    fn a_faulty_value_is_named_without_its_password() {
        let faults = faults_of(
            "ftp://u:hunter2@proxy",
            "http://u:hunter2@proxy:x",
            "https://hub,10.0.0.0/99",
        );
        let text = faults.join("\n");
        assert_eq!(faults.len(), 4, "{text}");
        for words in [
            r#"httpProxy "ftp://proxy" is unusable: its scheme"#,
            r#"httpsProxy "http://proxy:x" is unusable: its port"#,
            r#"noProxy has "https://hub""#,
            r#"noProxy has "10.0.0.0/99""#,
        ] {
            assert!(text.contains(words), "{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
}
