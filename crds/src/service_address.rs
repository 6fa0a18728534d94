//! A Service of a managed cluster, as flags, URLs and lists name it: `NAMESPACE/NAME:PORT`.

use std::{fmt, str::FromStr};

/// A port of a Service in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAddress {
    namespace: String,
    name: String,
    port: u16,
}

/// Why a text is not a [`ServiceAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceAddressError {
    /// The text does not have this form.
    #[error("a service is NAMESPACE/NAME:PORT")]
    Form,
    /// The namespace or the name is not valid.
    #[error("namespace and name of a service are of a-z, 0-9 and '-', 63 at most")]
    Label,
    /// The port is not a number from 1 to 65535.
    #[error("the port of a service is a number from 1 to 65535")]
    Port,
}

impl ServiceAddress {
    /// Its name in the managed cluster's DNS, without the cluster domain.
    pub fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// The port of the Service.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ServiceAddress {
    type Err = ServiceAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, rest) = text.split_once('/').ok_or(ServiceAddressError::Form)?;
        let (name, port) = rest.split_once(':').ok_or(ServiceAddressError::Form)?;
        if !is_label(namespace) || !is_label(name) {
            return Err(ServiceAddressError::Label);
        }
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0);
        let port = port.ok_or(ServiceAddressError::Port)?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port,
        })
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.name, self.port)
    }
}

fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_and_names_its_host() {
        let service: ServiceAddress = "web/front:80".parse().unwrap();
        assert_eq!(service.to_string(), "web/front:80");
        assert_eq!(
            (service.host().as_str(), service.port()),
            ("front.web.svc", 80)
        );
    }

    #[test]
    fn refuses_everything_else() {
        let table = [
            ("", ServiceAddressError::Form),
            ("front:80", ServiceAddressError::Form),
            ("web/front", ServiceAddressError::Form),
            ("web/../x:80", ServiceAddressError::Label),
            ("web/Front:80", ServiceAddressError::Label),
            ("web/front.other:80", ServiceAddressError::Label),
            ("web/-:80", ServiceAddressError::Label),
            ("/front:80", ServiceAddressError::Label),
            ("web/front:0", ServiceAddressError::Port),
            ("web/front:+80", ServiceAddressError::Port),
            ("web/front:65536", ServiceAddressError::Port),
            ("web/front:", ServiceAddressError::Port),
        ];
        for (text, wanted) in table {
            assert_eq!(text.parse::<ServiceAddress>(), Err(wanted), "{text}");
        }
    }
}
