//! A hub that serves OCM's kinds without its controllers. It has accepted clusters that do not run.
//! They get as far as the `ManifestWork` that would install their agent, because that is as far as
//! the operator alone gets.

use std::collections::BTreeMap;

use e2e::{
    Cluster, Gateway, GatewayOptions, Interposer, Operator, World,
    ocm::{self, Ocm},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::{Value, json};

use crate::hub::{kubectl, read, soon};

pub(crate) const WORK: &str = "addon-cluster-gateway-deploy-0";
pub(crate) const API_SERVICE: &str = "v1alpha1.cluster.core.oam.dev";
const OURS: &str = "app.kubernetes.io/managed-by=spokeway-operator";

pub(crate) struct Quick {
    pub(crate) operator: Operator,
    pub(crate) interposer: Interposer,
    pub(crate) gateway: Gateway,
    _ocm: Ocm,
    pub(crate) world: World,
}

impl Quick {
    /// A hub, an operator that reaches it through the interposer, and a gateway that the operator
    /// does not run.
    pub(crate) async fn set() -> Self {
        let world = World::builder()
            .cluster("hub")
            .audited()
            .start()
            .await
            .unwrap();
        let hub = world.cluster("hub");
        let ocm = Ocm::without_controllers(hub).await.unwrap();
        Operator::install(hub).await.unwrap();
        let gateway = Gateway::start(hub, GatewayOptions::for_operator());
        let gateway = gateway.await.unwrap();
        let interposer = Interposer::start(hub).await.unwrap();
        let operator = Operator::start_at(hub, interposer.url(), "operator-1", &[]);
        let quick = Self {
            operator: operator.await.unwrap(),
            interposer,
            gateway,
            _ocm: ocm,
            world,
        };
        let configuration = Operator::configuration(&quick.gateway, &json!({}));
        let apply = quick.hub().kubectl(&["apply", "-f", "-"]);
        apply.stdin(configuration).ok().await.unwrap();
        soon("the gateway has its place", || {
            quick.condition("GatewayAvailable", "Served")
        })
        .await;
        quick
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) async fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        kubectl(self.hub(), args).await
    }

    pub(crate) async fn accept(&self, cluster: &str) {
        ocm::accept(&self.hub().client(), cluster).await.unwrap();
    }

    /// The status of the configuration.
    pub(crate) async fn status(&self) -> Result<Value, String> {
        let said = read(self.hub(), &["gatewayconfiguration", "default"]).await?;
        Ok(said["status"].clone())
    }

    /// The message of a condition, if it has that reason.
    pub(crate) async fn condition(&self, kind: &str, reason: &str) -> Result<String, String> {
        let status = self.status().await?;
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let mut own = conditions.filter(|it| it["type"] == kind);
        let found = own.next().ok_or("nothing is said of it")?;
        if found["reason"] == reason {
            Ok(found["message"].as_str().unwrap_or_default().to_owned())
        } else {
            Err(found.to_string())
        }
    }

    /// The message about a cluster in trouble, if it has that reason.
    pub(crate) async fn trouble(&self, cluster: &str, reason: &str) -> Result<String, String> {
        let status = self.status().await?;
        let troubled = status["troubled"].as_array().into_iter().flatten();
        let mut own = troubled.filter(|it| it["name"] == cluster);
        let found = own.next().ok_or_else(|| status["troubled"].to_string())?;
        if found["reason"] == reason {
            Ok(found["message"].as_str().unwrap_or_default().to_owned())
        } else {
            Err(found.to_string())
        }
    }

    /// True if each of these clusters has everything that it gets without an agent, exactly once.
    pub(crate) async fn are_enrolled(&self, clusters: &[&str]) -> Result<(), String> {
        for (group, kind, each) in [
            (
                "addon.open-cluster-management.io/v1alpha1",
                "ManagedClusterAddOn",
                3,
            ),
            (
                "authentication.open-cluster-management.io/v1beta1",
                "ManagedServiceAccount",
                1,
            ),
            ("rbac.authorization.k8s.io/v1", "RoleBinding", 1),
            ("work.open-cluster-management.io/v1", "ManifestWork", 1),
        ] {
            let found = self.ours(group, kind).await?;
            for cluster in clusters {
                let count = found.get(*cluster).copied().unwrap_or_default();
                if count != each {
                    return Err(format!("{count} {kind} in {cluster}"));
                }
            }
        }
        Ok(())
    }

    /// The number of our objects in each namespace.
    async fn ours(&self, group: &str, kind: &str) -> Result<BTreeMap<String, usize>, String> {
        let (group, version) = group.split_once('/').unwrap();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let all: Api<DynamicObject> = Api::all_with(self.hub().client(), &resource);
        let ours = ListParams::default().labels(OURS);
        let list = all
            .list_metadata(&ours)
            .await
            .map_err(|it| it.to_string())?;
        let mut found = BTreeMap::new();
        for object in list.items {
            let namespace = object.metadata.namespace.unwrap_or_default();
            *found.entry(namespace).or_default() += 1;
        }
        Ok(found)
    }

    /// The UID of the gateway's `APIService`, to notice that it was replaced.
    pub(crate) async fn place_in_the_api(&self) -> Result<String, String> {
        let get = [
            "get",
            "apiservice",
            API_SERVICE,
            "-o",
            "jsonpath={.metadata.uid}",
        ];
        self.kubectl(&get).await
    }

    /// Waits until the operator writes again and reports no trouble except clusters without agents.
    pub(crate) async fn is_well(&self, cluster: &str) {
        let own = [cluster];
        let delete = [
            "delete",
            "rolebinding",
            "spokeway-agent-tokens",
            "-n",
            cluster,
        ];
        self.kubectl(&delete).await.unwrap();
        soon("what is deleted is made anew", || self.are_enrolled(&own)).await;
        soon("the gateway is served", || {
            self.condition("GatewayAvailable", "Served")
        })
        .await;
        soon("no write fails", || {
            self.condition("GatewayInstalled", "Installed")
        })
        .await;
    }

    /// The sum of the operator's metrics with that name and all these labels.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let metrics = self.operator.metrics().await.unwrap();
        let lines = metrics.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
        values.sum()
    }
}

/// A policy that forbids the operator to write objects of a resource if the expression holds.
pub(crate) fn policy(name: &str, group: &str, resource: &str, holds_where: &str) -> String {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [group], "apiVersions": ["*"], "resources": [resource],
                "operations": ["CREATE", "UPDATE"],
            }]},
            "validations": [{
                "expression": format!(
                    "request.userInfo.username != '{}' || !({holds_where})", e2e::operator::USER
                ),
                "message": "not on my watch",
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]}).to_string()
}
