//! `kubectl gateway kubeconfig`: a context for a managed cluster, written beside the hub's.

mod documents;
mod edit;
mod file;

use std::path::{Path, PathBuf};

use crds::cluster_core::ClusterGateway;
use kube::{Api, ResourceExt};

pub(crate) use self::documents::{Documents, HubEntry};
use self::{
    edit::{Entry, named},
    file::FileError,
};
use crate::{
    args::KubeconfigArgs,
    hub::{Hub, HubError, unanswered},
    voice::{self, Outcome},
};

/// Why no context is written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubeconfigError {
    #[error("the hub serves no cluster {cluster}; {served}")]
    NotServed { cluster: String, served: String },
    #[error("{} has a {list} entry {name} already, which would be in the way: choose another --name", path.display())]
    Shadowed {
        path: PathBuf,
        list: &'static str,
        name: String,
    },
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot print")]
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
    } = args;
    is_served(hub, &cluster).await?;
    let name = name.unwrap_or_else(|| cluster.clone());
    let (path, entry) = if let Some(path) = output {
        let path = file::absolute(&path)?;
        let entry = Entry::with_user(entry, &cluster, name, home(&path));
        (path, entry)
    } else {
        is_free(documents, entry, &name)?;
        let beside = Entry::beside_user(entry, &cluster, name);
        (entry.path.clone(), beside)
    };
    file::update(&path, |config| edit::add(config, &entry, use_it))?;
    let context = &entry.name;
    let hint = if use_it {
        "it is the current context now".to_owned()
    } else {
        format!("try kubectl --context {context} get namespaces")
    };
    voice::say(&format!(
        "context {context} written to {}; {hint}\n",
        path.display()
    ))?;
    Ok(Outcome::Done)
}

fn home(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("/"))
}

async fn is_served(hub: &Hub, cluster: &str) -> Result<(), KubeconfigError> {
    let api = Api::<ClusterGateway>::all(hub.client.clone());
    let found = api.get(cluster).await.map(drop).map_err(unanswered);
    match found {
        Err(error) if error.is_absent() => {
            let served = match hub.list::<ClusterGateway>().await {
                Ok(all) => words(all.iter().map(ResourceExt::name_any).collect()),
                Err(HubError::Refused { .. }) => {
                    "you may not list those that it does serve".to_owned()
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

fn words(mut names: Vec<String>) -> String {
    names.sort_unstable();
    if names.is_empty() {
        "it serves none yet".to_owned()
    } else {
        format!("it serves {}", names.join(", "))
    }
}

/// Of several files the first that has an entry of a name wins: no other may have it.
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
