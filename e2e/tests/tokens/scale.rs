//! Many accounts at once. The times are measured and printed, with generous limits.

use std::{fmt::Debug, time::Duration};

use e2e::eventually;
use futures::{StreamExt as _, stream};
use kube::{
    Api, Resource,
    api::{DeleteParams, ListParams, PostParams},
};
use serde::de::DeserializeOwned;

use super::{
    life::begin,
    stage::{Stage, account},
};

const MANY: usize = 300;
/// The limit on a machine that does other things at the same time.
const DEADLINE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn three_hundred_accounts_at_once() {
    let stage = Stage::start(&[]).await;
    stage.create("warm-up", "1h").await;
    stage.usable_token("warm-up", None).await;
    issue(&stage).await;
    revoke(&stage).await;
}

async fn issue(stage: &Stage) {
    let (before, begun) = (stage.calls().await, begin());
    create_all(stage).await;
    println!("{MANY} accounts created within {:?}", begun.elapsed());
    let created = begin();
    left(&stage.secrets(), &labelled(), MANY + 1).await;
    println!(
        "all tokens {:?} after the last was created, {:?} after the first",
        created.elapsed(),
        begun.elapsed()
    );
    everything_is_said(stage).await;
    let calls = stage.calls().await - before;
    println!(
        "{calls} calls, Events included, after {:?}; resident {} KiB",
        begun.elapsed(),
        stage.resident()
    );
    assert!(calls < 2400.0, "{calls} calls");
    let issued = stage.metric("agent_tokens_issued_total", "").await;
    assert!(issued < 302.0, "{issued} tokens for 301 accounts");
}

async fn revoke(stage: &Stage) {
    let token = stage.token(&name(MANY - 1)).await.unwrap();
    let (before, begun) = (stage.calls().await, begin());
    let accounts = stage.accounts();
    accounts
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    println!("deletion asked for within {:?}", begun.elapsed());
    left(&stage.service_accounts(), &labelled(), 0).await;
    println!(
        "all tokens revoked {:?} after the deletion",
        begun.elapsed()
    );
    stage.is_revoked(&token).await;
    left(&accounts, &ListParams::default(), 0).await;
    println!(
        "all accounts gone after {:?}, {} calls",
        begun.elapsed(),
        stage.calls().await - before
    );
}

fn name(number: usize) -> String {
    format!("account-{number:03}")
}

fn labelled() -> ListParams {
    ListParams::default().labels(&format!("{}=true", crds::authentication::LABEL))
}

async fn create_all(stage: &Stage) {
    let create = |number| {
        let accounts = stage.accounts();
        async move {
            let account = account(&name(number), "1h");
            accounts
                .create(&PostParams::default(), &account)
                .await
                .unwrap();
        }
    };
    let created = stream::iter(0..MANY).map(create).buffer_unordered(32);
    created.for_each(|()| async {}).await;
}

/// Waits until there are this many objects.
async fn left<K>(api: &Api<K>, parameters: &ListParams, wanted: usize)
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let counted = || async {
        let found = api.list_metadata(parameters).await.unwrap().items.len();
        if found == wanted {
            Ok(())
        } else {
            Err(format!("{found} of {wanted}"))
        }
    };
    eventually(DEADLINE, "as many objects as there are to be", counted)
        .await
        .unwrap();
}

async fn everything_is_said(stage: &Stage) {
    let quiet = || async {
        let call = "agent_tokens_api_calls_total";
        let events = stage.metric(call, "create_event").await;
        let statuses = stage.metric(call, "write_status").await;
        if events > 300.0 && statuses > 300.0 {
            Ok(())
        } else {
            Err(format!("{events} {statuses}"))
        }
    };
    eventually(DEADLINE, "everything is said", quiet)
        .await
        .unwrap();
}
