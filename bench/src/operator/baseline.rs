//! How much the hub's API server can write for any client: server-side apply of small objects by as
//! many callers at once as the operator runs plans at once.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::site::{AT_ONCE, Site, name};
use crate::{
    statistics::number,
    table::{Table, figure},
};

const MEASURED: Duration = Duration::from_secs(5);
const LABEL: &str = "spokeway-bench";
const ADDON: (&str, &str) = ("addon.open-cluster-management.io", "ManagedClusterAddOn");

/// Writes in a second.
pub(super) struct Baseline {
    config_maps: f64,
    stored: f64,
    converted: f64,
}

impl Baseline {
    pub(super) async fn measure(site: &Site) -> anyhow::Result<Self> {
        let client = site.hub().client();
        let maps = Api::<ConfigMap>::namespaced(client.clone(), &name(0));
        let config_maps = rate(&maps, |number| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(number), "data": {"a": "b"}})
        })
        .await?;
        let mut rates = Vec::new();
        for version in ["v1alpha1", "v1beta1"] {
            let kind = GroupVersionKind::gvk(ADDON.0, version, ADDON.1);
            let resource = ApiResource::from_gvk(&kind);
            let rows: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), &name(0), &resource);
            let row = |number| json!({"apiVersion": resource.api_version, "kind": ADDON.1, "metadata": metadata(number), "spec": {}});
            rates.push(rate(&rows, row).await?);
        }
        let [stored, converted] = rates[..] else {
            anyhow::bail!("two versions have two rates");
        };
        Ok(Self {
            config_maps,
            stored,
            converted,
        })
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["what the API server can write", "writes/s"]);
        for (what, rate) in [
            ("ConfigMaps", self.config_maps),
            ("rows in the version that is stored (v1alpha1)", self.stored),
            (
                "rows in the version of the operator (v1beta1, converted by OCM's webhook)",
                self.converted,
            ),
        ] {
            table.row([what.to_owned(), figure(rate, 0)]);
        }
        table
    }
}

fn metadata(number: u32) -> Value {
    json!({"name": format!("{LABEL}-{number}"), "labels": {"app.kubernetes.io/managed-by": LABEL}})
}

/// Creates different objects, and deletes them again.
async fn rate<K>(api: &Api<K>, object: impl Fn(u32) -> Value) -> anyhow::Result<f64>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let begin = Instant::now();
    let parameters = PatchParams::apply(LABEL);
    let writes = stream::iter(0_u32..)
        .take_while(|_| async { begin.elapsed() < MEASURED })
        .map(|number| {
            let (object, parameters) = (object(number), &parameters);
            async move {
                let name = format!("{LABEL}-{number}");
                api.patch(&name, parameters, &Patch::Apply(object)).await
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut written = 0;
    let mut writes = std::pin::pin!(writes);
    while let Some(write) = writes.next().await {
        write?;
        written += 1;
    }
    let took = begin.elapsed().as_secs_f64();
    let ours = ListParams::default().labels(&format!("app.kubernetes.io/managed-by={LABEL}"));
    api.delete_collection(&DeleteParams::default(), &ours)
        .await?;
    Ok(number(written) / took)
}
