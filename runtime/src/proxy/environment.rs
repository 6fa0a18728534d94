//! Which proxy leads to a target: the one that a kubeconfig or a flag names for all of them, or that
//! of the environment, by the target's host and port. Pure but for the reading.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::{Exemptions, Proxy, ProxyUrlError};
use crate::trust;

/// The variables that Go's programs read, each with the one that is read if it is empty.
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const NO: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Authorities in PEM for proxies with `https://` URLs.
const CA_BUNDLE: &str = "PROXY_CA_BUNDLE";

/// Which proxy to use. A proxy whose URL is unusable is a fault of the connections that would go
/// through it, and of nothing else.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    way: Way,
    /// Who may vouch for them too.
    authorities: Vec<CertificateDer<'static>>,
}

#[derive(Clone, Debug, Default)]
enum Way {
    /// None, for any target.
    #[default]
    Never,
    /// This one, for any target.
    Always(Named),
    /// What the environment says.
    Environment(Arc<Environment>),
}

#[derive(Clone, Debug)]
struct Environment {
    http: Option<Named>,
    https: Option<Named>,
    exempt: Exemptions,
}

/// A proxy, and who names it.
#[derive(Clone, Debug)]
struct Named {
    by: &'static str,
    proxy: Result<Proxy, ProxyUrlError>,
}

/// There is no connection, because its proxy is unusable.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the proxy that {by} names is unusable: {fault}")]
pub struct ProxyFault {
    /// The variable, flag or field.
    pub by: &'static str,
    /// The cause.
    pub fault: ProxyUrlError,
}

impl Proxies {
    /// No proxy.
    pub fn never() -> Self {
        Self::default()
    }

    /// The proxy that `by` names, for each target.
    pub fn always(by: &'static str, url: &str) -> Self {
        Self::of(Way::Always(Named::read(by, url)))
    }

    /// What this process's environment says.
    #[expect(
        clippy::disallowed_methods,
        reason = "all programs share these variables, and no program has flags of these names"
    )]
    pub fn of_environment() -> Self {
        Self::of_variables(|name| std::env::var(name).ok())
    }

    fn of_variables(variable: impl Fn(&'static str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            let mut set = names
                .into_iter()
                .filter_map(|name| Some((name, variable(name)?)));
            set.find(|(_, value)| !value.trim().is_empty())
        };
        let proxy = |names| first(names).map(|(name, url)| Named::read(name, &url));
        let environment = Environment {
            http: proxy(HTTP),
            https: proxy(HTTPS),
            exempt: Exemptions::read(&first(NO).unwrap_or_default().1),
        };
        let bundle = variable(CA_BUNDLE).unwrap_or_default();
        Self::of(Way::Environment(Arc::new(environment)))
            .trusting(trust::certificates(bundle.as_bytes()))
    }

    fn of(way: Way) -> Self {
        Self {
            way,
            authorities: Vec::new(),
        }
    }

    /// The same proxies, whose certificates these may vouch for too.
    pub fn trusting(
        mut self,
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Self {
        self.authorities.extend(authorities);
        self
    }

    /// The proxy to `host:port`, which is spoken to over TLS or not. `None` if there is none on the
    /// way.
    pub fn to(&self, tls: bool, host: &str, port: u16) -> Result<Option<Proxy>, ProxyFault> {
        let named = match &self.way {
            Way::Never => None,
            Way::Always(named) => Some(named),
            Way::Environment(it) if it.exempt.cover(host, port) => None,
            Way::Environment(it) if tls => it.https.as_ref(),
            Way::Environment(it) => it.http.as_ref(),
        };
        let Some(Named { by, proxy }) = named else {
            return Ok(None);
        };
        let proxy = proxy.clone().map_err(|fault| ProxyFault { by, fault })?;
        Ok(Some(proxy.trusting(self.authorities.iter().cloned())))
    }
}

impl Named {
    fn read(by: &'static str, url: &str) -> Self {
        Self {
            by,
            proxy: url.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &'static [(&str, &str)]) -> Proxies {
        Proxies::of_variables(|name| {
            let mut set = variables.iter().filter(|(of, _)| *of == name);
            set.next().map(|(_, value)| (*value).to_owned())
        })
    }

    fn way(proxies: &Proxies, tls: bool, host: &str) -> String {
        match proxies.to(tls, host, 443) {
            Ok(Some(proxy)) => proxy.to_string(),
            Ok(None) => "direct".to_owned(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn the_target_decides() {
        let set = proxies(&[
            ("HTTPS_PROXY", ""),
            ("https_proxy", "proxy:3128"),
            ("HTTP_PROXY", "http://other:80"),
            ("NO_PROXY", "10.0.0.0/8,.svc,"),
        ]);
        assert_eq!(way(&set, true, "hub.example"), "http://proxy:3128");
        assert_eq!(way(&set, false, "hub.example"), "http://other:80");
        for exempt in ["10.1.1.1", "kubernetes.default.svc", "localhost", "::1"] {
            assert_eq!(way(&set, true, exempt), "direct", "{exempt}");
        }
        assert_eq!(way(&proxies(&[]), true, "hub.example"), "direct");
    }

    #[test]
    fn a_proxy_that_is_named_for_all_targets_has_no_exemptions() {
        let named = Proxies::always("proxy-url", "socks5://proxy");
        assert_eq!(way(&named, true, "localhost"), "socks5://proxy:1080");
        assert_eq!(way(&Proxies::never(), true, "hub.example"), "direct");
    }

    #[test]
    fn an_unusable_proxy_is_a_fault_of_what_would_go_through_it() {
        let set = proxies(&[
            ("HTTPS_PROXY", "ftp://u:hunter2@proxy"),
            ("NO_PROXY", "near.example"),
        ]);
        let said = way(&set, true, "hub.example");
        assert!(
            said.contains("HTTPS_PROXY") && said.contains("its scheme"),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(way(&set, true, "near.example"), "direct");
        assert_eq!(way(&set, false, "hub.example"), "direct");
    }
}
