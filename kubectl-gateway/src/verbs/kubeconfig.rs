//! `kubectl gateway kubeconfig`: writes a context for a managed cluster beside that of the hub.

mod direct;

use std::path::{Path, PathBuf};

use clap::Args;
use crds::cluster_core::ClusterGateway;
use kube::{Api, ResourceExt};
use serde_json::Value;

use self::direct::DirectError;
use crate::{
    hub::{Hub, HubError, unanswered},
    kubeconfig::{
        documents::{Documents, HubEntry, named},
        edit::{self, Current, EditError, Entry},
        file::{self, FileError, home},
        update::{UpdateError, update, yaml},
    },
    mine,
    voice::{self, Outcome},
};

/// Write a context for a managed cluster into the kubeconfig
///
/// The context leads to the managed cluster through the hub's gateway and uses the same user as the hub, so
/// it adds no secret to the kubeconfig. Everything else in the file is kept.
#[derive(Debug, Args)]
pub(crate) struct KubeconfigArgs {
    /// Name of the managed cluster
    pub(crate) cluster: String,
    /// Name of the context [default: the name of the cluster]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Write to this file instead of the kubeconfig in use, with a copy of the hub's user. Use - to print it
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Make it the current context
    #[arg(long = "use")]
    pub(crate) use_it: bool,
    /// Lead straight to the gateway, without the hub's API server, if the hub allows that in
    /// spec.server.directAccess of its `GatewayConfiguration`, which you must be allowed to read
    #[arg(long)]
    pub(crate) direct: bool,
}

/// Why no context was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubeconfigError {
    #[error("the gateway serves no cluster {cluster}; {served}")]
    NotServed { cluster: String, served: String },
    #[error("{} already has an entry {name} in its {list}, which would hide the new one; choose another --name", path.display())]
    Shadowed {
        path: PathBuf,
        list: &'static str,
        name: String,
    },
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Direct(#[from] DirectError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error("cannot make the kubeconfig")]
    Edit(#[from] EditError),
    #[error("cannot serialize the kubeconfig as YAML")]
    Yaml(#[from] serde_saphyr::SerializeError),
    #[error("cannot write the output")]
    Print(#[from] std::io::Error),
}

pub(crate) async fn run(
    hub: &Hub,
    documents: &Documents,
    entry: &HubEntry,
    args: KubeconfigArgs,
) -> Result<Outcome, KubeconfigError> {
    let KubeconfigArgs {
        cluster,
        name,
        output,
        use_it,
        direct,
    } = args;
    is_served(hub, &cluster).await?;
    let straight = if direct {
        Some(direct::entry(hub, entry).await?)
    } else {
        None
    };
    let entry = straight.as_ref().unwrap_or(entry);
    let name = name.unwrap_or_else(|| cluster.clone());
    if output.as_deref() == Some(Path::new("-")) {
        return print(entry, &cluster, name);
    }
    let is_other = output.is_some();
    let (path, entry) = if let Some(path) = output {
        let path = file::absolute(&path)?;
        let entry = Entry::with_user(entry, &cluster, name, home(&path));
        (path, entry)
    } else {
        is_free(documents, entry, &name)?;
        let beside = Entry::beside_user(entry, &cluster, name);
        (entry.path.clone(), beside)
    };
    let current = match (use_it, is_other) {
        (true, _) => Current::Switch,
        (false, true) => Current::IfNone,
        (false, false) => Current::Keep,
    };
    update(&path, |config| edit::add(config, &entry, current))?;
    let context = &entry.name;
    let is_used = !is_other && Documents::is_default(&path);
    let hint = match current {
        Current::Switch if is_used => "it is now the current context".to_owned(),
        Current::Keep if is_used => {
            format!("try it with: kubectl --context {context} get namespaces")
        }
        _ => format!(
            "try it with: kubectl --kubeconfig {} --context {context} get namespaces",
            path.display()
        ),
    };
    voice::say(&format!(
        "context {context} written to {}; {hint}\n",
        path.display()
    ))?;
    Ok(Outcome::Done)
}

/// Prints a kubeconfig of its own. Its paths are absolute, because it may be kept anywhere.
fn print(entry: &HubEntry, cluster: &str, name: String) -> Result<Outcome, KubeconfigError> {
    let entry = Entry::with_user(entry, cluster, name, Path::new(""));
    let mut config = Value::Null;
    edit::add(&mut config, &entry, Current::Switch)?;
    voice::say(&yaml(&config)?)?;
    Ok(Outcome::Done)
}

async fn is_served(hub: &Hub, cluster: &str) -> Result<(), KubeconfigError> {
    let api = Api::<ClusterGateway>::all(hub.client.clone());
    let found = api.get(cluster).await.map(drop).map_err(unanswered);
    // The right to use the gateway for a cluster does not include that to see it.
    if let Err(error) = &found
        && error.is_unreadable()
        && is_mine(hub, cluster).await
    {
        return Ok(());
    }
    match found {
        Err(error) if error.is_absent() => {
            let served = match hub.list::<ClusterGateway>().await {
                Ok(all) => words(all.iter().map(ResourceExt::name_any).collect()),
                Err(HubError::Refused { .. }) => {
                    "you have no right to list the clusters that it serves".to_owned()
                }
                Err(error) => return Err(error.into()),
            };
            Err(KubeconfigError::NotServed {
                cluster: cluster.to_owned(),
                served,
            })
        }
        found => Ok(found?),
    }
}

async fn is_mine(hub: &Hub, cluster: &str) -> bool {
    let mine = mine::clusters(hub).await.unwrap_or_default();
    mine.iter()
        .any(|it| it.metadata.name.as_deref() == Some(cluster))
}

fn words(mut names: Vec<String>) -> String {
    names.sort_unstable();
    if names.is_empty() {
        "it does not serve any cluster yet".to_owned()
    } else {
        format!("it serves {}", names.join(", "))
    }
}

/// kubectl uses the first file that has an entry of a name, so no other file may have one.
fn is_free(documents: &Documents, entry: &HubEntry, name: &str) -> Result<(), KubeconfigError> {
    for (path, config) in documents.all().filter(|(path, _)| *path != entry.path) {
        for list in ["clusters", "contexts"] {
            if named(config, list, name).is_some() {
                return Err(KubeconfigError::Shadowed {
                    path: path.to_owned(),
                    list,
                    name: name.to_owned(),
                });
            }
        }
    }
    Ok(())
}
