//! An add-on on one cluster. The harness plays the add-on's manager on the hub: it registers the
//! agent's identity, approves that agent's certificate request and no other, and writes the
//! credential that OCM delivers to files as a kubelet would mount it.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::{
    ByteString,
    api::{certificates::v1::CertificateSigningRequest, core::v1::Secret},
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    AddonIdentity, Klusterlet, OcmError, approval,
    klusterlet::{ADDON_NAMESPACE, AGENT},
    refused,
};
use crate::{cluster::Cluster, eventually, gateway::GatewayError};

const GROUP: &str = "addon.open-cluster-management.io";
const VERSION: &str = "v1alpha1";
const ISSUED_WITHIN: Duration = Duration::from_secs(30);

/// An add-on whose agent has its credential for the hub.
#[derive(Debug)]
pub struct Addon {
    identity: AddonIdentity,
    spoke: Cluster,
    directory: PathBuf,
    delivered: u32,
}

/// Why an add-on's agent has no credential.
#[derive(Debug, thiserror::Error)]
pub enum AddonError {
    /// The hub or the spoke refused an object.
    #[error(transparent)]
    Refused(#[from] GatewayError),
    /// OCM did not deliver.
    #[error("no credential of add-on {addon} on {cluster}: {why}")]
    Undelivered {
        /// The add-on.
        addon: String,
        /// The managed cluster.
        cluster: String,
        /// The last state that was seen.
        why: String,
    },
    /// The files could not be written.
    #[error("cannot lay out an add-on's credential")]
    Files(#[from] io::Error),
}

impl From<AddonError> for OcmError {
    fn from(error: AddonError) -> Self {
        match error {
            AddonError::Refused(refused) => refused.into(),
            AddonError::Files(files) => files.into(),
            AddonError::Undelivered { .. } => io::Error::other(error).into(),
        }
    }
}

impl Klusterlet {
    /// Installs an add-on by name, and waits until its agent's credential is delivered.
    pub async fn addon(&self, addon: &str) -> Result<Addon, AddonError> {
        let identity = AddonIdentity {
            cluster: self.spoke.name().to_owned(),
            addon: addon.to_owned(),
            agent: "addon-agent".to_owned(),
        };
        let hub = self.hub.client();
        register(&hub, &identity).await?;
        let mut addon = Addon {
            directory: self
                .spoke
                .directory()
                .join(format!("{addon}-hub-kubeconfig")),
            identity,
            spoke: self.spoke.clone(),
            delivered: 0,
        };
        fs::create_dir(&addon.directory)?;
        let delivered = || async {
            approve(&hub, &addon.identity)
                .await
                .map_err(|error| error.to_string())?;
            addon.credential().await
        };
        let delivered = eventually(ISSUED_WITHIN, "the add-on's credential", delivered).await;
        let credential = delivered.map_err(|elapsed| AddonError::Undelivered {
            addon: addon.identity.addon.clone(),
            cluster: addon.identity.cluster.clone(),
            why: elapsed.to_string(),
        })?;
        addon.lay_out(&credential)?;
        Ok(addon)
    }
}

impl Addon {
    /// The identity of its agent at the hub.
    pub fn identity(&self) -> &AddonIdentity {
        &self.identity
    }

    /// The agent's kubeconfig of the hub, in the directory where the credential is.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// The namespace on the spoke that add-ons' agents are installed in.
    pub fn namespace() -> &'static str {
        ADDON_NAMESPACE
    }

    /// Writes the credential again, as a kubelet does after OCM renewed it.
    pub async fn refresh(&mut self) -> Result<(), AddonError> {
        let credential = self
            .credential()
            .await
            .map_err(|why| AddonError::Undelivered {
                addon: self.identity.addon.clone(),
                cluster: self.identity.cluster.clone(),
                why,
            })?;
        Ok(self.lay_out(&credential)?)
    }

    async fn credential(&self) -> Result<BTreeMap<String, ByteString>, String> {
        let secrets = Api::<Secret>::namespaced(self.spoke.client(), ADDON_NAMESPACE);
        let name = format!("{}-hub-kubeconfig", self.identity.addon);
        let secret = secrets
            .get(&name)
            .await
            .map_err(|error| error.to_string())?;
        let data = secret.data.unwrap_or_default();
        let whole = data.contains_key("kubeconfig")
            && (data.contains_key("tls.crt") || data.contains_key("token"));
        let has = || format!("Secret {name} has only {:?}", data.keys());
        if whole { Ok(data) } else { Err(has()) }
    }

    /// Replaces all files at once, by one rename.
    fn lay_out(&mut self, credential: &BTreeMap<String, ByteString>) -> io::Result<()> {
        self.delivered += 1;
        let current = format!("..{}", self.delivered);
        let data = self.directory.join(&current);
        fs::create_dir(&data)?;
        for (key, ByteString(value)) in credential {
            fs::write(data.join(key), value)?;
            let link = self.directory.join(key);
            if !link.is_symlink() {
                symlink(Path::new("..data").join(key), link)?;
            }
        }
        let next = self.directory.join("..data_tmp");
        symlink(current, &next)?;
        fs::rename(next, self.directory.join("..data"))
    }
}

/// Creates the add-on, and sets the identity of its agent and the condition that its rights are in
/// place.
async fn register(hub: &Client, identity: &AddonIdentity) -> Result<(), AddonError> {
    let AddonIdentity { cluster, addon, .. } = identity;
    let about = json!({"spec": {
        "addOnMeta": {"displayName": addon}, "installStrategy": {"type": "Manual"},
    }});
    let kind = resource("ClusterManagementAddOn");
    let manager = Api::<DynamicObject>::all_with(hub.clone(), &kind);
    apply(&manager, &kind, addon, about).await?;
    let kind = resource("ManagedClusterAddOn");
    let installed = Api::<DynamicObject>::namespaced_with(hub.clone(), cluster, &kind);
    let spec = json!({"spec": {"installNamespace": ADDON_NAMESPACE}});
    apply(&installed, &kind, addon, spec).await?;
    let status = json!({"status": {
        "namespace": ADDON_NAMESPACE,
        "healthCheck": {"mode": "Lease"},
        "registrations": [{
            "signerName": "kubernetes.io/kube-apiserver-client",
            "subject": {"user": identity.user(), "groups": identity.groups()},
        }],
        "conditions": [{
            "type": "RegistrationApplied", "status": "True", "reason": "SetPermissionApplied",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    }});
    installed
        .patch_status(addon, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .map_err(refused("ManagedClusterAddOn status"))?;
    Ok(())
}

async fn approve(hub: &Client, identity: &AddonIdentity) -> Result<(), GatewayError> {
    let labels = format!(
        "open-cluster-management.io/cluster-name={},open-cluster-management.io/addon-name={}",
        identity.cluster, identity.addon
    );
    let fits = |request: &CertificateSigningRequest| identity.fits(request, AGENT).is_ok();
    approval::approve(hub, &labels, fits).await
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, kind))
}

async fn apply(
    api: &Api<DynamicObject>,
    kind: &ApiResource,
    name: &str,
    mut body: Value,
) -> Result<(), AddonError> {
    body["apiVersion"] = kind.api_version.clone().into();
    body["kind"] = kind.kind.clone().into();
    body["metadata"]["name"] = name.into();
    let params = PatchParams::apply("e2e").force();
    let applied = api.patch(name, &params, &Patch::Apply(&body)).await;
    applied.map_err(refused(&format!("{} {name}", kind.kind)))?;
    Ok(())
}
