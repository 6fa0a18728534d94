//! Many accounts at once: measured and printed, bounded generously.

use std::time::Duration;

use e2e::eventually;
use futures::{StreamExt as _, stream};
use kube::api::{DeleteParams, ListParams, PostParams};

use super::{
    life::begin,
    stage::{Stage, account},
};

const MANY: usize = 300;
/// On a machine that does other things besides.
const DEADLINE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn three_hundred_accounts_at_once() {
    let stage = Stage::start(&[]).await;
    stage.create("warm-up", "1h").await;
    stage.usable_token("warm-up", None).await;
    let (before, accounts) = (stage.calls().await, stage.accounts());
    let begun = begin();
    let names: Vec<_> = (0..MANY)
        .map(|number| format!("account-{number:03}"))
        .collect();
    let create = |name: &String| {
        let (accounts, account) = (accounts.clone(), account(name, "1h"));
        async move {
            accounts
                .create(&PostParams::default(), &account)
                .await
                .map(drop)
        }
    };
    let created = stream::iter(&names).map(create).buffer_unordered(32);
    created.for_each(|created| async { created.unwrap() }).await;
    println!("{MANY} accounts created within {:?}", begun.elapsed());
    let created_at = begin();
    let labelled = ListParams::default().labels(&format!("{}=true", crds::authentication::LABEL));
    let all = || async {
        let secrets = stage
            .secrets()
            .list_metadata(&labelled)
            .await
            .unwrap()
            .items
            .len();
        if secrets > MANY {
            Ok(())
        } else {
            Err(format!("{secrets} Secrets"))
        }
    };
    eventually(DEADLINE, "a Secret for each", all)
        .await
        .unwrap();
    println!(
        "all tokens {:?} after the last was created, {:?} after the first",
        created_at.elapsed(),
        begun.elapsed()
    );
    let quiet = || async {
        let events = stage
            .metric("agent_tokens_api_calls_total", "create_event")
            .await;
        let statuses = stage
            .metric("agent_tokens_api_calls_total", "write_status")
            .await;
        let many = 300.0;
        if events > many && statuses > many {
            Ok(())
        } else {
            Err(format!("{events} {statuses}"))
        }
    };
    eventually(DEADLINE, "everything is said", quiet)
        .await
        .unwrap();
    let calls = stage.calls().await - before;
    println!(
        "{calls} calls, Events included, after {:?}; resident {} KiB",
        begun.elapsed(),
        stage.resident()
    );
    assert!(calls < 2400.0, "{calls} calls");
    let issued = stage.metric("agent_tokens_issued_total", "").await;
    assert!(issued < 302.0, "{issued} tokens for 301 accounts");

    let token = stage.token(&names[MANY - 1]).await.unwrap();
    let (before, begun) = (stage.calls().await, begin());
    accounts
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    println!("deletion asked for within {:?}", begun.elapsed());
    let labelled = &labelled;
    let none = || async {
        let left = stage
            .service_accounts()
            .list_metadata(labelled)
            .await
            .unwrap()
            .items
            .len();
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} ServiceAccounts"))
        }
    };
    eventually(DEADLINE, "no ServiceAccount left", none)
        .await
        .unwrap();
    println!(
        "all tokens revoked {:?} after the deletion",
        begun.elapsed()
    );
    stage.is_revoked(&token).await;
    let gone = || async {
        let left = accounts
            .list_metadata(&ListParams::default())
            .await
            .unwrap()
            .items
            .len();
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} accounts"))
        }
    };
    eventually(DEADLINE, "no account left", gone).await.unwrap();
    println!(
        "all accounts gone after {:?}, {} calls",
        begun.elapsed(),
        stage.calls().await - before
    );
}
