//! The flags that say where this cluster's own API server is.

use clap::Args;
use tunnel::Target;

/// Where a Pod finds its API server if nobody has told it an address.
const BY_NAME: &str = "kubernetes.default.svc:443";

/// The API server of this cluster.
#[derive(Args, Clone, Debug)]
pub(super) struct ApiserverArgs {
    /// Address of this cluster's own API server. If it is not set, the agent uses the address that every Pod
    /// is told, which needs no DNS, and kubernetes.default.svc:443 if there is none.
    #[arg(long, env = "AGENT_APISERVER", value_name = "HOST:PORT")]
    apiserver: Option<String>,
    /// Host of the Service kubernetes, as the kubelet tells every Pod.
    #[arg(
        long,
        env = "KUBERNETES_SERVICE_HOST",
        value_name = "HOST",
        hide_env_values = true
    )]
    kubernetes_service_host: Option<String>,
    /// Port of the Service kubernetes, as the kubelet tells every Pod.
    #[arg(
        long,
        env = "KUBERNETES_SERVICE_PORT",
        value_name = "PORT",
        hide_env_values = true
    )]
    kubernetes_service_port: Option<String>,
}

impl ApiserverArgs {
    /// Returns the address, or adds what is wrong to `faults`.
    pub(super) fn target(self, faults: &mut Vec<String>) -> Option<Target> {
        let (flag, address) = self.address();
        let target = address.parse();
        target
            .map_err(|fault| faults.push(format!("{flag} {address}: {fault}")))
            .ok()
    }

    /// The address, and the flag that it comes from.
    fn address(self) -> (&'static str, String) {
        let set = |value: Option<String>| value.filter(|it| !it.is_empty());
        let Self {
            apiserver,
            kubernetes_service_host,
            kubernetes_service_port,
        } = self;
        if let Some(address) = set(apiserver) {
            return ("--apiserver", address);
        }
        let host = set(kubernetes_service_host);
        let Some((host, port)) = host.zip(set(kubernetes_service_port)) else {
            return ("--apiserver", BY_NAME.to_owned());
        };
        let address = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        ("--kubernetes-service-host", address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_server_is_where_the_kubelet_says_and_by_name_without_one() {
        for (flags, address) in [
            ([None, None, None], BY_NAME),
            ([None, Some("10.96.0.1"), None], BY_NAME),
            ([None, Some(""), Some("443")], BY_NAME),
            ([None, Some("10.96.0.1"), Some("443")], "10.96.0.1:443"),
            ([None, Some("fd00::1"), Some("6443")], "[fd00::1]:6443"),
            ([None, Some("[fd00::1]"), Some("6443")], "[fd00::1]:6443"),
            (
                [Some("api:6443"), Some("10.96.0.1"), Some("443")],
                "api:6443",
            ),
        ] {
            let [apiserver, host, port] = flags.map(|it| it.map(str::to_owned));
            let args = ApiserverArgs {
                apiserver,
                kubernetes_service_host: host,
                kubernetes_service_port: port,
            };
            let mut faults = Vec::new();
            let target = args.target(&mut faults).unwrap();
            assert_eq!(target, address.parse().unwrap());
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        let args = ApiserverArgs {
            apiserver: None,
            kubernetes_service_host: Some("10.96.0.1".to_owned()),
            kubernetes_service_port: Some("https".to_owned()),
        };
        let mut faults = Vec::new();
        assert!(args.target(&mut faults).is_none());
        assert!(
            faults[0].starts_with("--kubernetes-service-host 10.96.0.1:https: "),
            "{faults:?}"
        );
    }
}
