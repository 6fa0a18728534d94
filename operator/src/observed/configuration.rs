//! A `GatewayConfiguration` that was read. One that is invalid is never taken for another one.

use crds::{
    gateway::{CONFIRM_REMOVAL, GatewayConfigurationSpec},
    label_selector::compile,
};
use jiff::Timestamp;
use kube::core::{DynamicObject, Selector};

use crate::{names::CREDENTIALS, object::deleting};

/// A `GatewayConfiguration` that was read.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) spec: GatewayConfigurationSpec,
    /// The selector of the clusters.
    pub(crate) selector: Option<Selector>,
    pub(crate) generation: i64,
    pub(crate) is_deleting: bool,
    /// When its deletion was asked for.
    pub(crate) deleted: Option<Timestamp>,
    /// What somebody has confirmed.
    pub(crate) confirmed: Option<Confirmed>,
}

/// A confirmation that many clusters may leave at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Confirmed {
    /// The generation of the configuration that it is for.
    pub(crate) generation: i64,
    /// How many clusters may leave at most.
    pub(crate) clusters: usize,
}

impl Configuration {
    pub(super) fn read(object: &DynamicObject) -> Result<Self, String> {
        let deleted = deleting(object);
        let raw = object.data.get("spec").cloned().unwrap_or_default();
        let spec: GatewayConfigurationSpec =
            serde_json::from_value(raw).map_err(|fault| fault.to_string())?;
        // The server reads every Secret there, and so would read the keys of all authorities.
        if spec.server.namespace == CREDENTIALS {
            return Err(format!(
                "spec.server.namespace is {CREDENTIALS}, which is for credentials only; choose another namespace"
            ));
        }
        let selector = selector(&spec).or_else(|fault| match deleted {
            // It no longer matters what it selects.
            Some(_) => Ok(None),
            None => Err(fault),
        })?;
        let annotations = object.metadata.annotations.as_ref();
        let confirmed = annotations.and_then(|all| all.get(CONFIRM_REMOVAL));
        Ok(Self {
            spec,
            selector,
            generation: object.metadata.generation.unwrap_or_default(),
            is_deleting: deleted.is_some(),
            deleted,
            confirmed: confirmed.and_then(|value| Confirmed::read(value)),
        })
    }
}

/// The selector of the clusters, if that and those of the caps are valid.
fn selector(spec: &GatewayConfigurationSpec) -> Result<Option<Selector>, String> {
    for (at, cap) in spec.access.caps.iter().enumerate() {
        let selector = cap.selector.as_ref().map(compile).transpose();
        selector.map_err(|fault| format!("spec.access.caps[{at}].selector.{fault}"))?;
    }
    let selector = spec.clusters.selector.as_ref().map(compile).transpose();
    selector.map_err(|fault| format!("spec.clusters.selector.{fault}"))
}

impl Confirmed {
    fn read(value: &str) -> Option<Self> {
        let (generation, clusters) = value.trim().split_once('-')?;
        Some(Self {
            generation: generation.parse().ok()?,
            clusters: clusters.parse().ok()?,
        })
    }
}
