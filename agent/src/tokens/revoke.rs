//! Revokes all tokens for an uninstall: it deletes every labelled `ServiceAccount` of the agent, then
//! removes the finalizers from the cluster's accounts. A mark keeps running agents from creating new
//! ones.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use crds::authentication::{FINALIZER, LABEL};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::{DynamicObject, PartialObjectMeta},
};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{
    TokenSettings,
    apply::{accounts, only},
    ownership::{Mark, Owner},
    plan::retirement_of,
};

const AT_ONCE: usize = 16;
/// How long to wait after the mark appears, until calls that agents have in progress are done.
const SETTLE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(500);

/// Revokes everything within `deadline`. Retries failed calls until then.
pub(crate) async fn revoke_all(
    hub: Client,
    spoke: Client,
    settings: &TokenSettings,
    deadline: Duration,
) -> anyhow::Result<()> {
    let TokenSettings {
        cluster, namespace, ..
    } = settings;
    let mut last = None;
    let all = async {
        while let Err(error) = once(&hub, &spoke, settings).await {
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

async fn once(hub: &Client, spoke: &Client, settings: &TokenSettings) -> anyhow::Result<()> {
    let TokenSettings {
        cluster,
        namespace,
        owner,
        ..
    } = settings;
    let owner = owner.as_ref();
    let service_accounts: Api<ServiceAccount> = Api::namespaced(spoke.clone(), namespace);
    mark(&service_accounts, owner)
        .await
        .context("managed cluster: cannot mark the agent as retired")?;
    let accounts = accounts(hub.clone(), cluster);
    let mut deleted = delete_all(&service_accounts, &accounts, owner).await?;
    loop {
        sleep(SETTLE).await;
        let more = delete_all(&service_accounts, &accounts, owner).await?;
        if more == 0 {
            break;
        }
        deleted += more;
    }
    info!(
        cluster,
        namespace, deleted, "deleted the ServiceAccounts of tokens"
    );
    release(&accounts).await
}

async fn mark(service_accounts: &Api<ServiceAccount>, owner: Option<&Owner>) -> kube::Result<()> {
    let name = retirement_of(owner);
    // An old mark must be replaced because agents no longer obey it.
    match service_accounts
        .delete(&name, &DeleteParams::default())
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        deleted => drop(deleted?),
    }
    let annotations = Mark {
        owner: owner.cloned(),
        account_uid: None,
    };
    let mark = ServiceAccount {
        metadata: ObjectMeta {
            name: Some(name),
            annotations: Some(annotations.annotations()),
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

/// Deletes every labelled `ServiceAccount` of the agent except the mark, and returns how many there
/// were.
async fn delete_all(
    service_accounts: &Api<ServiceAccount>,
    accounts: &Api<DynamicObject>,
    owner: Option<&Owner>,
) -> anyhow::Result<usize> {
    let labelled = ListParams::default().labels(&format!("{LABEL}=true"));
    let found = service_accounts
        .list_metadata(&labelled)
        .await
        .context("managed cluster: cannot list ServiceAccounts")?;
    let own = owned(found.items, accounts, owner).await?;
    let count = own.len();
    let delete = |(name, uid): (String, String)| async move {
        match service_accounts.delete(&name, &only(&uid)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(drop),
        }
    };
    let calls = stream::iter(own).map(delete).buffer_unordered(AT_ONCE);
    let all = calls.try_collect::<()>().await;
    all.context("managed cluster: cannot delete a ServiceAccount")?;
    Ok(count)
}

/// The names and UIDs of those that belong to the agent. The hub is asked only if one names no owner, so
/// that the others do not wait for it.
async fn owned(
    found: Vec<PartialObjectMeta<ServiceAccount>>,
    accounts: &Api<DynamicObject>,
    owner: Option<&Owner>,
) -> anyhow::Result<Vec<(String, String)>> {
    let retired = retirement_of(owner);
    let (mut own, mut unmarked) = (Vec::new(), Vec::new());
    for found in found.into_iter().filter(|it| it.name_any() != retired) {
        let mark = Mark::read(&found.metadata);
        let (name, uid) = (found.name_any(), found.uid().unwrap_or_default());
        if mark.is_of(owner, None) {
            own.push((name, uid));
        } else if mark.owner.is_none() {
            unmarked.push((mark, name, uid));
        }
    }
    if !unmarked.is_empty() {
        let known = uids(accounts).await?;
        let ours = unmarked.into_iter().filter(|(mark, name, _)| {
            let account = known.get(name).map(String::as_str);
            mark.is_of(owner, account)
        });
        own.extend(ours.map(|(_, name, uid)| (name, uid)));
    }
    Ok(own)
}

/// The UID of each account, by name.
async fn uids(accounts: &Api<DynamicObject>) -> anyhow::Result<BTreeMap<String, String>> {
    let found = accounts
        .list_metadata(&ListParams::default())
        .await
        .context("hub: cannot list ManagedServiceAccounts")?;
    let uids = found.items.into_iter();
    Ok(uids
        .filter_map(|account| Some((account.name_any(), account.metadata.uid?)))
        .collect())
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
