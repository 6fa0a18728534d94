//! A hub of real etcd and kube-apiserver with a gateway of ours and an operator. The hub has
//! accepted clusters that do not run.

use std::time::Duration;

use anyhow::Context as _;
use crds::{
    addon::{ManagedClusterAddOnStatus, REGISTRATION_APPLIED},
    authentication::{LABEL, TOKEN_KEY},
};
use e2e::{
    Cluster, Gateway, GatewayOptions, Operator, World,
    ocm::{self, Ocm},
    operator,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    audit::{Counts, Log, count},
    usage::{self, Memory},
};

/// The number of the benchmark's own calls that run at once.
pub(super) const AT_ONCE: usize = 32;
const POLL: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_mins(8);

/// Everything that runs. It ends when it is dropped.
pub(super) struct Site {
    operator: Option<Operator>,
    pub(super) gateway: Gateway,
    pub(super) ocm: Ocm,
    pub(super) log: Log,
    clusters: u32,
    pub(super) world: World,
}

impl Site {
    pub(super) async fn start(clusters: u32) -> anyhow::Result<Self> {
        let world = World::builder().cluster("hub").audited().start().await?;
        let hub = world.cluster("hub");
        let ocm = Ocm::without_controllers(hub).await?;
        Operator::install(hub).await?;
        let client = hub.client();
        let accepted = stream::iter(0..clusters)
            .map(|number| {
                let client = client.clone();
                async move {
                    ocm::accept(&client, &name(number)).await?;
                    token(&client, &name(number)).await
                }
            })
            .buffer_unordered(AT_ONCE);
        accepted.try_for_each(|()| async { Ok(()) }).await?;
        is_populated(&client).await?;
        let gateway = Gateway::start(hub, GatewayOptions::for_operator()).await?;
        let log = Log::open(&hub.audit_log());
        Ok(Self {
            operator: None,
            gateway,
            ocm,
            log,
            clusters,
            world,
        })
    }

    pub(super) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(super) fn operator(&self) -> anyhow::Result<&Operator> {
        self.operator.as_ref().context("no operator runs")
    }

    /// Starts the operator, and returns what it held when it was ready.
    pub(super) async fn start_operator(&mut self) -> anyhow::Result<Memory> {
        let operator = Operator::start(self.hub(), "operator-1", &[]).await?;
        let memory = usage::memory(operator.process())?;
        self.operator = Some(operator);
        Ok(memory)
    }

    /// Ends the operator cleanly and starts it again. Returns the times until it is ready and until
    /// it has looked at every cluster.
    pub(super) async fn restart_operator(
        &self,
        clusters: u32,
    ) -> anyhow::Result<(Duration, Duration)> {
        let operator = self.operator()?;
        operator.stop().await;
        let begin = Instant::now();
        operator.restart().await?;
        let ready = begin.elapsed();
        within(PATIENCE, || async {
            let metrics = operator.metrics().await?;
            let planned: u64 = metrics
                .lines()
                .filter(|line| line.starts_with("operator_reconciles_total{key=\"cluster\""))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
                .sum();
            Ok((planned >= u64::from(clusters)).then_some(()))
        })
        .await
        .context("not every cluster is planned")?;
        Ok((ready, begin.elapsed()))
    }

    pub(super) async fn configure(&self, more: &Value) -> anyhow::Result<()> {
        let configuration = Operator::configuration(&self.gateway, more);
        let apply = self.hub().kubectl(&["apply", "-f", "-"]);
        apply.stdin(configuration).ok().await?;
        Ok(())
    }

    /// Waits until there is a `ManifestWork` for every cluster, which is the last thing that a
    /// cluster without an agent gets.
    pub(super) async fn have_works(&self) -> anyhow::Result<()> {
        let works = self.api("work.open-cluster-management.io", "v1", "ManifestWork");
        let first = ListParams::default().limit(1);
        within(PATIENCE, || async {
            let page = works.list_metadata(&first).await?;
            let more = page.metadata.remaining_item_count.unwrap_or_default();
            let all = page.items.len() + usize::try_from(more)?;
            Ok((all >= usize::try_from(self.clusters)?).then_some(()))
        })
        .await
        .context("works are missing")
    }

    /// Waits until the operator has patched the `ManifestWork` of every cluster since the log was
    /// opened.
    pub(super) async fn works_are_patched(&self) -> anyhow::Result<()> {
        within(PATIENCE, || async {
            let mut counts = Counts::new();
            count(&self.log.clone().lines()?, operator::USER, &mut counts)?;
            let patched = counts.get("patch manifestworks").copied();
            let all = patched.unwrap_or_default() >= u64::from(self.clusters);
            Ok(all.then_some(()))
        })
        .await
        .context("works are not rolled out")
    }

    /// Waits until joining has taken so long that the configuration reports it as trouble. This is
    /// the final status of clusters without agents.
    pub(super) async fn are_in_trouble(&self) -> anyhow::Result<()> {
        within(PATIENCE, || async {
            let get = ["get", "gatewayconfiguration", "default", "-o", "json"];
            let said: Value = serde_json::from_str(&self.hub().kubectl(&get).ok().await?)?;
            let conditions = said["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten();
            let mut reasons = conditions.map(|it| &it["reason"]);
            Ok(reasons.any(|it| it == "ClustersInTrouble").then_some(()))
        })
        .await
        .context("nobody calls it trouble")
    }

    /// Checks that every cluster has everything that it should have.
    pub(super) async fn verify(&self) -> anyhow::Result<()> {
        let clusters = usize::try_from(self.clusters)?;
        let rows = self.api(
            "addon.open-cluster-management.io",
            "v1beta1",
            "ManagedClusterAddOn",
        );
        let rows = rows.list(&ListParams::default()).await?.items;
        let registered = rows.iter().filter(|row| {
            let status = row.data.get("status").cloned().unwrap_or_default();
            serde_json::from_value::<ManagedClusterAddOnStatus>(status)
                .is_ok_and(|status| status.is(REGISTRATION_APPLIED))
        });
        anyhow::ensure!(registered.count() == 3 * clusters, "rows are missing");
        for (group, version, kind) in [
            (
                "authentication.open-cluster-management.io",
                "v1beta1",
                "ManagedServiceAccount",
            ),
            ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
        ] {
            let ours =
                ListParams::default().labels("app.kubernetes.io/managed-by=spokeway-operator");
            let found = self
                .api(group, version, kind)
                .list_metadata(&ours)
                .await?
                .items
                .len();
            anyhow::ensure!(found == clusters, "{found} {kind}s of {clusters}");
        }
        Ok(())
    }

    /// Waits until the operator has written nothing for this long.
    pub(super) async fn is_settled(&self, quiet: Duration) -> anyhow::Result<()> {
        let mut log = Log::open(&self.hub().audit_log());
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            sleep(quiet).await;
            let mut counts = Counts::new();
            count(&log.lines()?, operator::USER, &mut counts)?;
            if writes(&counts) == 0 {
                return Ok(());
            }
        }
        anyhow::bail!("the operator goes on writing")
    }

    fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::all_with(self.hub().client(), &resource)
    }
}

/// All writes except those of the leader's Lease.
pub(super) fn writes(counts: &Counts) -> u64 {
    let reads = ["get ", "list ", "watch "];
    let writes = counts.iter().filter(|(kind, _)| {
        !reads.iter().any(|read| kind.starts_with(read)) && !kind.ends_with(" leases")
    });
    writes.map(|(_, count)| count).sum()
}

pub(super) fn name(number: u32) -> String {
    format!("cluster{number:05}")
}

/// Writes what a cluster's agent would have written, so that the gateway serves the cluster.
async fn token(client: &Client, cluster: &str) -> kube::Result<()> {
    let mut secret = Secret::default();
    secret.metadata.name = Some("cluster-gateway".to_owned());
    secret.metadata.labels = Some([(LABEL.to_owned(), "true".to_owned())].into());
    let token = [(TOKEN_KEY.to_owned(), "of nobody".to_owned())];
    secret.string_data = Some(token.into());
    let secrets = Api::<Secret>::namespaced(client.clone(), cluster);
    secrets.create(&PostParams::default(), &secret).await?;
    Ok(())
}

/// Waits until the controller manager has created the default objects in every namespace, because
/// these are not the operator's work.
async fn is_populated(client: &Client) -> anyhow::Result<()> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let wanted = namespaces
        .list_metadata(&ListParams::default())
        .await?
        .items
        .len();
    let maps = Api::<ConfigMap>::all(client.clone());
    let first = ListParams::default().fields("metadata.name=kube-root-ca.crt");
    within(PATIENCE, || async {
        let found = maps.list_metadata(&first).await?.items.len();
        Ok((found >= wanted).then_some(()))
    })
    .await
    .context("namespaces are not populated")
}

/// Asks repeatedly until there is an answer.
pub(super) async fn within<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    patience: Duration,
    mut look: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < end, "not within {patience:?}");
        sleep(POLL).await;
    }
}
