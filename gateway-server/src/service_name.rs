//! The name of a Service on the hub, as a flag spells it.

use std::str::FromStr;

/// The name of a Service, written NAMESPACE/NAME.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceName {
    namespace: String,
    name: String,
}

/// The text is not NAMESPACE/NAME.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a Service is written NAMESPACE/NAME")]
pub struct ServiceNameError;

impl FromStr for ServiceName {
    type Err = ServiceNameError;

    fn from_str(text: &str) -> Result<Self, ServiceNameError> {
        let (namespace, name) = text.split_once('/').ok_or(ServiceNameError)?;
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            return Err(ServiceNameError);
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl ServiceName {
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_namespace_and_a_name() {
        assert!("ocm/gateway-server-peers".parse::<ServiceName>().is_ok());
        for bad in ["", "name", "/name", "ns/", "a/b/c"] {
            assert_eq!(bad.parse::<ServiceName>(), Err(ServiceNameError), "{bad}");
        }
    }
}
