//! Revokes all tokens for an uninstall: it deletes every labelled `ServiceAccount`, then removes
//! the finalizers from the cluster's accounts. A mark keeps running agents from creating new ones.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use crds::authentication::{FINALIZER, LABEL};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::DynamicObject,
};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{apply::accounts, plan::RETIRED};

const AT_ONCE: usize = 16;
/// How long to wait after the mark appears, until calls that agents have in progress are done.
const SETTLE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(500);

/// Revokes everything within `deadline`. Retries failed calls until then.
pub(crate) async fn revoke_all(
    hub: Client,
    spoke: Client,
    cluster: &str,
    namespace: &str,
    deadline: Duration,
) -> anyhow::Result<()> {
    let mut last = None;
    let all = async {
        while let Err(error) = once(&hub, &spoke, cluster, namespace).await {
            warn!(cluster, error = %format!("{error:#}"), "not all tokens are revoked yet; trying again");
            last = Some(error);
            sleep(PAUSE).await;
        }
    };
    if timeout(deadline, all).await.is_ok() {
        info!(
            cluster,
            namespace, "all tokens are revoked, and the finalizers are removed from all accounts"
        );
        return Ok(());
    }
    let seconds = deadline.as_secs();
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no response")).context(format!(
        "cluster {cluster}: not all tokens were revoked within {seconds} s; what is left are \
         ServiceAccounts with label {LABEL}=true in namespace {namespace}, and finalizers {FINALIZER}"
    )))
}

async fn once(hub: &Client, spoke: &Client, cluster: &str, namespace: &str) -> anyhow::Result<()> {
    let service_accounts: Api<ServiceAccount> = Api::namespaced(spoke.clone(), namespace);
    mark(&service_accounts)
        .await
        .context("managed cluster: cannot mark the agent as retired")?;
    let mut deleted = delete_all(&service_accounts).await?;
    loop {
        sleep(SETTLE).await;
        let more = delete_all(&service_accounts).await?;
        if more == 0 {
            break;
        }
        deleted += more;
    }
    info!(
        cluster,
        namespace, deleted, "deleted the ServiceAccounts of tokens"
    );
    release(&accounts(hub.clone(), cluster)).await
}

async fn mark(service_accounts: &Api<ServiceAccount>) -> kube::Result<()> {
    // An old mark must be replaced because agents no longer obey it.
    match service_accounts
        .delete(RETIRED, &DeleteParams::default())
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        deleted => drop(deleted?),
    }
    let mark = ServiceAccount {
        metadata: ObjectMeta {
            name: Some(RETIRED.to_owned()),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), "true".to_owned())])),
            ..ObjectMeta::default()
        },
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    service_accounts
        .create(&PostParams::default(), &mark)
        .await
        .map(drop)
}

/// Deletes every labelled `ServiceAccount` except the mark, and returns how many there were.
async fn delete_all(service_accounts: &Api<ServiceAccount>) -> anyhow::Result<usize> {
    let labelled = ListParams::default().labels(&format!("{LABEL}=true"));
    let found = service_accounts
        .list_metadata(&labelled)
        .await
        .context("managed cluster: cannot list ServiceAccounts")?;
    let names: Vec<_> = found
        .items
        .iter()
        .map(kube::ResourceExt::name_any)
        .filter(|name| name != RETIRED)
        .collect();
    let count = names.len();
    let delete = |name: String| async move {
        match service_accounts
            .delete(&name, &DeleteParams::default())
            .await
        {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(drop),
        }
    };
    let calls = stream::iter(names).map(delete).buffer_unordered(AT_ONCE);
    let all = calls.try_collect::<()>().await;
    all.context("managed cluster: cannot delete a ServiceAccount")?;
    Ok(count)
}

/// Removes the agent's finalizer from every account.
async fn release(accounts: &Api<DynamicObject>) -> anyhow::Result<()> {
    let found = accounts
        .list(&ListParams::default())
        .await
        .context("hub: cannot list ManagedServiceAccounts")?
        .items;
    let held = found
        .into_iter()
        .filter(|account| account.finalizers().iter().any(|held| held == FINALIZER));
    let release = |account: DynamicObject| async move {
        let others: Vec<_> = account
            .finalizers()
            .iter()
            .filter(|other| *other != FINALIZER)
            .collect();
        let patch = json!({"metadata": {
            "resourceVersion": account.resource_version(),
            "finalizers": others,
        }});
        let name = account.name_any();
        match accounts
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
        {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            patched => patched.map(drop),
        }
    };
    let calls = stream::iter(held).map(release).buffer_unordered(AT_ONCE);
    let all = calls.try_collect::<()>().await;
    all.context("hub: cannot remove the finalizer from a ManagedServiceAccount")
}
