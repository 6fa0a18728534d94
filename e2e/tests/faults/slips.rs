//! A slip in the configuration that would remove most clusters: they stay until somebody confirms that
//! they leave.

use e2e::Operator;
use serde_json::{Value, json};

use crate::{hub::soon, quick::Quick};

const CLUSTERS: [&str; 4] = ["managed1", "managed2", "managed3", "managed4"];

#[tokio::test]
async fn a_slip_removes_no_fleet_and_a_confirmed_removal_does() {
    let quick = Quick::set().await;
    select(&quick, "DoesNotExist").await;
    for cluster in CLUSTERS {
        quick.accept(cluster).await;
    }
    soon("all clusters are enrolled", || {
        quick.are_enrolled(&CLUSTERS)
    })
    .await;
    told(&quick, "Enrolling").await;

    select(&quick, "Exists").await;
    let held = || quick.condition("RemovalsConfirmed", "ConfirmationNeeded");
    let said = soon("the removal waits", held).await;
    for words in ["4 of 4 enrolled clusters", "managed1, managed2"] {
        assert!(said.contains(words), "{said}");
    }
    // What is deleted of a cluster that stays is created again, so its plan was made.
    for cluster in CLUSTERS {
        quick.is_well(cluster).await;
    }
    quick.are_enrolled(&CLUSTERS).await.unwrap();
    quick
        .condition("Degraded", "ConfirmationNeeded")
        .await
        .unwrap();

    let (_, command) = said.split_once(": kubectl ").unwrap();
    let command: Vec<_> = command.split_whitespace().collect();
    quick.kubectl(&command).await.unwrap();
    let removed = || async {
        let left = ["get", "managedserviceaccounts", "-A", "-o", "name"];
        let left = quick.kubectl(&left).await?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    };
    soon("the clusters are removed", removed).await;
    told(&quick, "Removing").await;
}

async fn select(quick: &Quick, operator: &str) {
    let expression = json!({"key": "gateway", "operator": operator});
    let selector = json!({"matchExpressions": [expression]});
    let more = json!({"clusters": {"selector": selector}});
    let configuration = Operator::configuration(&quick.gateway, &more);
    let apply = quick.hub().kubectl(&["apply", "-f", "-"]);
    apply.stdin(configuration).ok().await.unwrap();
}

/// Waits until each cluster has an Event with this reason.
async fn told(quick: &Quick, reason: &str) {
    let selector = format!("reason={reason}");
    let get = [
        "get",
        "events.events.k8s.io",
        "-A",
        "-o",
        "json",
        "--field-selector",
        &selector,
    ];
    let all = || async {
        let events = quick.kubectl(&get).await?;
        let events: Value = serde_json::from_str(&events).map_err(|error| error.to_string())?;
        let events = events["items"].as_array().into_iter().flatten();
        let named: Vec<_> = events
            .map(|event| event["regarding"]["name"].clone())
            .collect();
        let missing = CLUSTERS.iter().find(|it| !named.contains(&json!(it)));
        missing.map_or(Ok(()), |it| Err(format!("{it} has no Event")))
    };
    soon(reason, all).await;
}
