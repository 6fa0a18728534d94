//! Health that a caller reports, as the prober of cluster-gateway does: it is kept in annotations of
//! the cluster's Secret of the manual mode. What this gateway sees itself is not in here.

mod body;
mod edit;
mod error;

use crds::{
    ClusterName,
    cluster_core::secret::{HEALTHY_ANNOTATION, HEALTHY_REASON_ANNOTATION},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::timeout;

use self::error::DEADLINE;
pub(crate) use self::{
    body::read,
    edit::{Edit, Report},
    error::{EditError, WriteError},
};

/// The Secrets of the manual mode, as far as health is written to them.
#[derive(Clone)]
pub(crate) struct HealthNotes {
    secrets: Api<Secret>,
    namespace: String,
}

impl std::fmt::Debug for HealthNotes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthNotes").finish_non_exhaustive()
    }
}

/// Which state of a Secret a report is meant for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) cluster: &'a ClusterName,
    /// Tells the Secret from one that takes its place.
    pub(crate) uid: Option<&'a str>,
    /// The revision that the caller has seen; `None` if it may have changed.
    pub(crate) revision: Option<u64>,
}

impl HealthNotes {
    pub(crate) fn new(hub: Client, namespace: &str) -> Self {
        Self {
            secrets: Api::namespaced(hub, namespace),
            namespace: namespace.to_owned(),
        }
    }

    /// Writes a report. Returns the revision of the hub at which the Secret has it.
    ///
    /// Only the metadata of the Secret comes back, and nothing is created if it is gone.
    pub(crate) async fn write(
        &self,
        target: Target<'_>,
        report: &Report,
        dry_run: bool,
    ) -> Result<Option<String>, WriteError> {
        let parameters = PatchParams {
            dry_run,
            field_manager: Some("spokeway-gateway".to_owned()),
            ..PatchParams::default()
        };
        let name = target.cluster.as_str();
        let patch = patch(target, report);
        let write = self.secrets.patch_metadata(name, &parameters, &patch);
        let written = timeout(DEADLINE, write).await;
        let secret = || format!("{}/{name}", self.namespace);
        let written = written.map_err(|_| WriteError::Deadline { secret: secret() })?;
        let written = written.map_err(|error| WriteError::of(error, secret()))?;
        Ok(written.metadata.resource_version)
    }
}

fn patch(target: Target<'_>, report: &Report) -> Patch<serde_json::Value> {
    let mut metadata = json!({"annotations": {
        HEALTHY_ANNOTATION: report.healthy.to_string(),
        HEALTHY_REASON_ANNOTATION: report.reason,
    }});
    if let Some(uid) = target.uid {
        metadata["uid"] = uid.into();
    }
    if let Some(revision) = target.revision {
        metadata["resourceVersion"] = revision.to_string().into();
    }
    Patch::Merge(json!({ "metadata": metadata }))
}

#[cfg(test)]
mod tests;
