//! Deletes the `GatewayConfiguration` and waits until it is gone. The running operator removes what
//! was created for it, and holds it with a finalizer until then.

use std::time::Duration;

use crds::{
    addon,
    gateway::{GatewayConfiguration, SINGLETON},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams},
    core::DynamicObject,
};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::{
    kind::Kind,
    names::{MANAGED_BY, MANAGER},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// How many clusters are named. The others are counted.
const NAMED: usize = 5;

/// What is left.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Left {
    /// Clusters that still have the operator's add-ons.
    Clusters(Vec<String>),
    /// Only the configuration is left; the clusters are clean.
    Hub,
    /// The hub does not answer.
    Unknown(String),
}

/// The uninstall did not finish in time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("gave up after {} s; still waiting for {left}; {}", .after.as_secs(), .left.advice())]
struct GivenUp {
    after: Duration,
    left: Left,
}

/// Runs the uninstall to its end.
pub(crate) async fn run(client: Client, deadline: Duration) -> anyhow::Result<()> {
    let mut seen = None;
    let gone = timeout(deadline, wait(&client, &mut seen)).await;
    gone.map_err(|_| GivenUp {
        after: deadline,
        left: seen.unwrap_or_else(|| Left::Unknown("it has not answered yet".to_owned())),
    })?;
    info!("everything is removed");
    Ok(())
}

async fn wait(client: &Client, seen: &mut Option<Left>) {
    loop {
        let look = timeout(CALL_DEADLINE, look(client)).await;
        let left = match look {
            Ok(Ok(None)) => return,
            Ok(Ok(Some(left))) => left,
            Ok(Err(error)) => Left::Unknown(error.to_string()),
            Err(_) => Left::Unknown("it did not answer in time".to_owned()),
        };
        if seen.as_ref() != Some(&left) {
            if let Left::Unknown(_) = left {
                warn!("waiting for {left}");
            } else {
                info!("waiting for {left}");
            }
            *seen = Some(left);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Deletes the configuration if nobody has yet. Returns what is left, or `None` once it is gone.
async fn look(client: &Client) -> kube::Result<Option<Left>> {
    let configurations = Api::<GatewayConfiguration>::all(client.clone());
    let Some(configuration) = configurations.get_opt(SINGLETON).await? else {
        return Ok(None);
    };
    if configuration.metadata.deletion_timestamp.is_none() {
        let parameters = DeleteParams::default();
        match configurations.delete(SINGLETON, &parameters).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
            other => other?,
        };
    }
    // All hubs serve the older version.
    let resource = Kind::ManagedClusterAddOn.resource(addon::Version::V1alpha1);
    let rows = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let ours = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER}"));
    Ok(Some(Left::from_rows(&rows.list(&ours).await?.items)))
}

impl Left {
    fn from_rows(rows: &[DynamicObject]) -> Self {
        let mut clusters: Vec<_> = rows.iter().filter_map(DynamicObject::namespace).collect();
        clusters.sort();
        clusters.dedup();
        if clusters.is_empty() {
            Self::Hub
        } else {
            Self::Clusters(clusters)
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Clusters(_) => {
                "their agents do not answer; the operator continues to remove them, so try again later"
            }
            Self::Hub => {
                "no operator has removed it; check that the operator is running, and see its log"
            }
            Self::Unknown(_) => "try again when the hub answers",
        }
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Clusters(clusters) => {
                let named = clusters.len().min(NAMED);
                write!(
                    formatter,
                    "managed clusters: {}",
                    clusters[..named].join(", ")
                )?;
                match clusters.len() - named {
                    0 => Ok(()),
                    more => write!(formatter, " and {more} more"),
                }
            }
            Self::Hub => formatter.write_str("the GatewayConfiguration"),
            Self::Unknown(why) => write!(formatter, "the hub: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ApiResource;

    use super::*;

    fn rows(clusters: &[&str]) -> Vec<DynamicObject> {
        let resource: ApiResource = Kind::ManagedClusterAddOn.resource(addon::Version::V1alpha1);
        let row = |cluster: &&str| DynamicObject::new("cluster-proxy", &resource).within(cluster);
        clusters.iter().map(row).collect()
    }

    #[test]
    fn says_each_cluster_once_and_only_so_many() {
        let left = Left::from_rows(&rows(&["b", "a", "b"]));
        assert_eq!(left.to_string(), "managed clusters: a, b");
        let left = Left::from_rows(&rows(&["1", "2", "3", "4", "5", "6", "7"]));
        assert_eq!(
            left.to_string(),
            "managed clusters: 1, 2, 3, 4, 5 and 2 more"
        );
    }

    #[test]
    fn whoever_gives_up_says_on_what_and_what_to_do() {
        let after = Duration::from_mins(4);
        let given_up = |left| GivenUp { after, left }.to_string();
        assert_eq!(
            given_up(Left::from_rows(&rows(&["a"]))),
            "gave up after 240 s; still waiting for managed clusters: a; their agents do not answer; the \
             operator continues to remove them, so try again later"
        );
        let hub = given_up(Left::from_rows(&[]));
        assert!(hub.contains("check that the operator is running"), "{hub}");
    }
}
