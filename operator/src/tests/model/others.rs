//! What Open Cluster Management and the agents do on the model of a hub.

use crds::{
    addon::{self, Driver, Version},
    authentication::FINALIZER,
};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::Hub;
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    names::{GATEWAY, TOKENS_ROLE, WORK},
    object::is_ours,
    observed::{GatewaySeen, Observed},
    plan::{enrolment, row_key},
};

const WORK_FINALIZER: &str = "cluster.open-cluster-management.io/manifest-work-cleanup";

impl Hub {
    /// Lets Open Cluster Management, the agents and the gateway act. True if they changed anything.
    pub(crate) fn others_act(&mut self) -> bool {
        let before = self.written;
        let forgotten = self.observed.clone();
        let clusters = self.observed.clusters();
        let clusters = clusters.into_iter().map(str::to_owned);
        let there: Vec<_> = clusters.filter(|it| !self.away.contains(it)).collect();
        for cluster in there {
            self.registration_agent(&cluster);
            self.tunnel_request(&cluster);
            self.work_agent(&cluster);
            self.own_agent(&cluster);
        }
        let count = |observed: &Observed| {
            observed.all(Kind::ManifestWork).count()
                + observed.all(Kind::ManagedServiceAccount).count()
        };
        self.written != before || count(&forgotten) != count(&self.observed)
    }

    fn registration_agent(&mut self, cluster: &str) {
        let key = row_key(cluster, Addon::Gateway);
        let Some(row) = self.observed.object(&key) else {
            return;
        };
        let status: addon::ManagedClusterAddOnStatus =
            serde_json::from_value(row.data["status"].clone()).unwrap_or_default();
        let Some(mut client) = status.kube_client() else {
            return;
        };
        let by_token = self.by_token.iter().any(|it| it == cluster);
        let driver = if by_token { Driver::Token } else { Driver::Csr };
        let before = client.clone();
        client.driver = Some(driver);
        if by_token {
            client.subject = addon::Subject {
                user: format!("system:serviceaccount:{cluster}:{GATEWAY}-agent"),
                groups: Vec::new(),
            };
        }
        if client == before {
            return;
        }
        let version = self.observed.installation.addons;
        let mut registrations = row.data["status"]["registrations"].clone();
        registrations[0] = client.registration(version);
        let mut status = json!({"registrations": registrations});
        if version == Version::V1alpha1 {
            status["kubeClientDriver"] = json!(driver);
        }
        self.write(&key, &json!({"status": status}));
    }

    /// Requests a certificate if the registration names the gateway's signer, once for each
    /// organizational unit. The request is deleted with the registration.
    fn tunnel_request(&mut self, cluster: &str) {
        let kind = Kind::CertificateSigningRequest;
        let key = ObjectKey::new(kind, cluster, &format!("tunnel-{cluster}"));
        let row = self.observed.object(&row_key(cluster, Addon::Gateway));
        let registrations = row.and_then(|row| row.data.get("status")?["registrations"].as_array());
        let mut registrations = registrations.into_iter().flatten();
        let unit = registrations.find_map(|it| match self.observed.installation.addons {
            Version::V1alpha1 => it["subject"]["organizationUnit"][0].as_str(),
            Version::V1beta1 => it["customSigner"]["subject"]["organizationUnits"][0].as_str(),
        });
        let unit = unit.map(str::to_owned);
        let known = self.observed.object(&key);
        let asked = known.and_then(|it| it.metadata.annotations.clone()?.remove("unit"));
        if asked == unit {
            return;
        }
        self.observed.forget(&key, self.now);
        if let Some(unit) = unit {
            let request = enrolment::tunnel_request_for_tests(cluster, cluster, &unit);
            let mut object = serde_json::to_value(&request).unwrap();
            object["metadata"]["labels"] = json!({addon::CLUSTER_LABEL: cluster});
            object["metadata"]["annotations"] = json!({"unit": unit});
            self.write(&key, &object);
        }
    }

    fn work_agent(&mut self, cluster: &str) {
        let works = self.observed.within(Kind::ManifestWork, cluster);
        let works: Vec<_> = works
            .map(|(key, work)| (key.clone(), work.clone()))
            .collect();
        for (key, work) in works {
            self.carry_out(&key, &work);
        }
    }

    fn carry_out(&mut self, key: &ObjectKey, work: &DynamicObject) {
        if work.metadata.deletion_timestamp.is_some() {
            self.observed.forget(key, self.now);
            return;
        }
        let generation = work.metadata.generation;
        let applied = json!({
            "type": "Applied", "status": "True", "reason": "AppliedManifestWorkComplete",
            "message": "Apply manifest work complete", "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let conditions = work.data["status"]["conditions"].as_array();
        if conditions.is_some_and(|all| all.contains(&applied)) {
            return;
        }
        self.write(
            key,
            &json!({
                "metadata": {"finalizers": [WORK_FINALIZER]},
                "status": {"conditions": [applied], "resourceStatus": self.reports(key)},
            }),
        );
    }

    /// What the cluster reports of each manifest. It does not report what it could not delete.
    fn reports(&self, work: &ObjectKey) -> Value {
        let manifests = self.carried.get(work).and_then(Value::as_array);
        let manifests = manifests.into_iter().flatten().enumerate();
        let reports = manifests.map(|(ordinal, manifest)| {
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
            let is_refused = self.refused.iter().any(|it| name.contains(it));
            let (status, message) = if is_refused {
                ("False", "admission webhook \"x\" denied the request")
            } else {
                ("True", "")
            };
            json!({"resourceMeta": {"ordinal": ordinal}, "conditions": [{
                "type": "Applied", "status": status, "reason": "x", "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]})
        });
        json!({"manifests": reports.collect::<Vec<_>>()})
    }

    /// Adds the finalizer to accounts while the agent is deployed, and removes it from those that
    /// are being deleted.
    fn own_agent(&mut self, cluster: &str) {
        let work = ObjectKey::new(Kind::ManifestWork, cluster, WORK);
        let is_deployed = self
            .observed
            .object(&work)
            .is_some_and(|it| it.data.get("status").is_some());
        if !is_deployed {
            return;
        }
        if self.handles_tokens(cluster) {
            self.revoke_and_hold(cluster);
        }
        self.see(cluster);
    }

    /// True if the agent that the cluster runs handles tokens, and may do so on the hub.
    fn handles_tokens(&self, cluster: &str) -> bool {
        let work = ObjectKey::new(Kind::ManifestWork, cluster, WORK);
        let binding = ObjectKey::new(Kind::RoleBinding, cluster, TOKENS_ROLE);
        let carried = self.carried.get(&work);
        let is_told = carried.is_some_and(|it| it.to_string().contains("--tokens"));
        is_told && self.observed.object(&binding).is_some()
    }

    fn revoke_and_hold(&mut self, cluster: &str) {
        let accounts = self.observed.within(Kind::ManagedServiceAccount, cluster);
        let accounts: Vec<_> = accounts
            .map(|(key, it)| (key.clone(), it.clone()))
            .collect();
        for (key, account) in accounts {
            let finalizers = account.metadata.finalizers.unwrap_or_default();
            let is_held = finalizers.iter().any(|it| it == FINALIZER);
            if account.metadata.deletion_timestamp.is_some() {
                self.observed.forget(&key, self.now);
            } else if !is_held {
                self.write(&key, &json!({"metadata": {"finalizers": [FINALIZER]}}));
            }
        }
    }

    fn see(&mut self, cluster: &str) {
        let seen = GatewaySeen {
            is_healthy: true,
            reason: String::new(),
            excess: None,
        };
        let all = self.observed.gateways.get_or_insert_default();
        all.insert(cluster.to_owned(), seen);
        let rows = self.observed.within(Kind::ManagedClusterAddOn, cluster);
        let rows = rows.filter(|(_, row)| is_ours(row) && !says_available(row));
        let rows: Vec<_> = rows.map(|(key, _)| key.clone()).collect();
        for key in rows {
            let available = json!({
                "type": "Available", "status": "True", "reason": "ManagedClusterAddOnLeaseUpdated",
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
            });
            self.write(&key, &json!({"status": {"conditions": [available]}}));
        }
    }
}

fn says_available(row: &DynamicObject) -> bool {
    let conditions = row
        .data
        .get("status")
        .and_then(|it| it["conditions"].as_array());
    conditions.is_some_and(|all| all.iter().any(|it| it["type"] == "Available"))
}
