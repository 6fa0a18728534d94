//! Certificate requests for the entrance, as a cluster's registration agent could make them.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::Cluster;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};

use super::super::{
    hub::{kubectl, read, soon},
    stage::Stage,
};

/// The user name of the agent of managed1.
pub(crate) const OWN: &str =
    "system:open-cluster-management:cluster:managed1:addon:cluster-gateway:agent:spokeway-agent";

pub(crate) struct Requests<'a> {
    hub: &'a Cluster,
    cluster: String,
    /// The kubeconfig of the registration agent.
    kubeconfig: PathBuf,
}

impl<'a> Requests<'a> {
    pub(crate) fn of(stage: &'a Stage, cluster: &str) -> Self {
        let spoke = stage.world.cluster(cluster);
        Self {
            hub: stage.hub(),
            cluster: cluster.to_owned(),
            kubeconfig: spoke.directory().join("ocm-hub-kubeconfig/kubeconfig"),
        }
    }

    /// The organizational unit that the `ManagedClusterAddOn` wants in the certificate.
    async fn unit(&self) -> String {
        let path = "jsonpath={.status.registrations[1].customSigner.subject.organizationUnits[0]}";
        let row = [
            "get",
            "managedclusteraddons.v1beta1.addon.open-cluster-management.io",
        ];
        let of = ["cluster-gateway", "-n", &self.cluster, "-o", path];
        kubectl(self.hub, &[&row[..], &of].concat()).await.unwrap()
    }

    pub(crate) async fn make(&self, name: &str, user: &str, usages: &[&str]) {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        let subject = &mut parameters.distinguished_name;
        subject.push(DnType::CommonName, user);
        subject.push(DnType::OrganizationalUnitName, self.unit().await);
        let key = KeyPair::generate().unwrap();
        let pem = parameters.serialize_request(&key).unwrap().pem().unwrap();
        let object = json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"name": name, "labels": {
                "open-cluster-management.io/cluster-name": self.cluster,
                "open-cluster-management.io/addon-name": "cluster-gateway",
            }},
            "spec": {
                "request": STANDARD.encode(pem), "usages": usages,
                "signerName": "gateway.open-cluster-management.io/tunnel",
            },
        });
        let create = self
            .hub
            .kubectl_with(&self.kubeconfig, &["create", "-f", "-"]);
        create.stdin(object.to_string()).ok().await.unwrap();
    }

    pub(crate) async fn status(&self, name: &str) -> Value {
        read(self.hub, &["csr", name]).await.unwrap()["status"].clone()
    }

    /// Waits until a request has its certificate.
    pub(crate) async fn is_signed(&self, name: &str) {
        let signed = || async {
            let status = self.status(name).await;
            if status["certificate"].is_string() {
                Ok(())
            } else {
                Err(status)
            }
        };
        soon("the request is signed", signed).await;
    }
}
