//! The kubeconfigs in use, and the hub that they describe.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::file::{self, FileError, home};
use crate::gateway_path::without_proxy_path;

/// The kubeconfig in the home directory.
const DEFAULT: &str = ".kube/config";

/// The kubeconfigs that exist, in order.
#[derive(Clone, Debug)]
pub(crate) struct Documents(Vec<(PathBuf, Value)>);

/// The hub in the kubeconfigs: its cluster and its user, and the files that contain them.
#[derive(Clone, Debug)]
pub(crate) struct HubEntry {
    pub(crate) context: String,
    /// The entry as it is in the file, except that `server` is the hub's own address.
    pub(super) cluster: Value,
    /// The directory for relative paths in the cluster entry.
    pub(super) cluster_home: PathBuf,
    /// The name of the user, and its entry.
    pub(super) user: Option<(String, Value)>,
    /// The file that contains the user, or else the context.
    pub(crate) path: PathBuf,
}

impl HubEntry {
    /// The same user at another server, whose certificate these authorities verify.
    pub(crate) fn at(&self, server: &str, authorities: &ByteString) -> Self {
        let cluster = json!({"server": server, "certificate-authority-data": authorities});
        Self {
            cluster,
            ..self.clone()
        }
    }
}

/// Why no hub was found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextError {
    #[error("there is no kubeconfig: none of {0} exists; set one with --kubeconfig")]
    NoFile(String),
    #[error("the kubeconfig has no current context; choose one of these with --context: {0}")]
    NoCurrent(String),
    #[error("the kubeconfig has no context {name}; it has {known}")]
    NoContext { name: String, known: String },
    #[error("context {context} names {what} {name}, which the kubeconfig does not have")]
    Dangling {
        context: String,
        what: &'static str,
        name: String,
    },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Documents {
    /// Reads the files of a list, or else the one in the home directory. Files that do not exist
    /// are ignored, as by kubectl.
    pub(crate) fn read(list: Option<&OsStr>) -> Result<Self, ContextError> {
        let listed = list.into_iter().flat_map(env::split_paths);
        let mut paths: Vec<_> = listed.filter(|it| !it.as_os_str().is_empty()).collect();
        if paths.is_empty() {
            paths.extend(env::home_dir().map(|home| home.join(DEFAULT)));
        }
        let mut found = Vec::new();
        for path in &paths {
            let path = file::absolute(path)?;
            if let Some(config) = file::read(&path)? {
                found.push((path, config));
            }
        }
        if found.is_empty() {
            let paths: Vec<_> = paths.iter().map(|it| it.display().to_string()).collect();
            return Err(ContextError::NoFile(paths.join(", ")));
        }
        Ok(Self(found))
    }

    /// True if kubectl reads this file without being told.
    pub(crate) fn is_default(path: &Path) -> bool {
        env::home_dir().is_some_and(|home| home.join(DEFAULT) == path)
    }

    /// The paths of the files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.all().map(|(path, _)| path)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Path, &Value)> {
        self.0.iter().map(|(path, config)| (path.as_path(), config))
    }

    /// The hub of a context, or of the current one. A context of a managed cluster stands for the
    /// hub that it leads through.
    pub(crate) fn hub(&self, context: Option<&str>) -> Result<HubEntry, ContextError> {
        let current = || {
            let mut all = self.all();
            all.find_map(|(_, config)| {
                config["current-context"]
                    .as_str()
                    .filter(|name| !name.is_empty())
            })
        };
        let name = context
            .or_else(current)
            .ok_or_else(|| ContextError::NoCurrent(self.contexts()))?;
        let (path, context) =
            self.find("contexts", name)
                .ok_or_else(|| ContextError::NoContext {
                    name: name.to_owned(),
                    known: self.contexts(),
                })?;
        let context = &context["context"];
        let dangling = |what, missing: &str| ContextError::Dangling {
            context: name.to_owned(),
            what,
            name: missing.to_owned(),
        };
        let cluster_name = context["cluster"].as_str().unwrap_or_default();
        let cluster = self.find("clusters", cluster_name);
        let (cluster_path, cluster) = cluster.ok_or_else(|| dangling("cluster", cluster_name))?;
        let mut hub = HubEntry {
            context: name.to_owned(),
            cluster: cluster["cluster"].clone(),
            cluster_home: home(cluster_path).to_owned(),
            user: None,
            path: path.to_owned(),
        };
        let server = hub.cluster["server"].as_str().unwrap_or_default();
        hub.cluster["server"] = without_proxy_path(server).into();
        let user = context["user"].as_str().filter(|name| !name.is_empty());
        if let Some(user) = user {
            let found = self.find("users", user);
            let (path, body) = found.ok_or_else(|| dangling("user", user))?;
            hub.user = Some((user.to_owned(), body["user"].clone()));
            path.clone_into(&mut hub.path);
        }
        Ok(hub)
    }

    /// The first entry of this name, and the file that contains it.
    fn find(&self, list: &str, name: &str) -> Option<(&Path, &Value)> {
        let mut all = self.all();
        all.find_map(|(path, config)| Some((path, named(config, list, name)?)))
    }

    fn contexts(&self) -> String {
        let lists = self.all().filter_map(|(_, it)| it["contexts"].as_array());
        let names = lists.flatten().filter_map(|it| it["name"].as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

impl HubEntry {
    /// The address of the hub.
    pub(crate) fn server(&self) -> &str {
        self.cluster["server"].as_str().unwrap_or_default()
    }
}

/// The entry of this name in one of a kubeconfig's lists.
pub(crate) fn named<'a>(config: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    let mut entries = config[list].as_array()?.iter();
    entries.find(|entry| entry["name"] == name)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A hub `hub` with user `admin` in `/one/config`. The user is in `/two/config`.
    pub(in super::super) fn documents() -> Documents {
        let one = json!({
            "current-context": "hub",
            "contexts": [
                {"name": "hub", "context": {"cluster": "hub", "user": "admin", "namespace": "x"}},
                {"name": "managed1", "context": {"cluster": "managed1", "user": "admin"}},
                {"name": "nobody", "context": {"cluster": "hub"}},
                {"name": "lost", "context": {"cluster": "hub", "user": "gone"}},
            ],
            "clusters": [
                {"name": "hub", "cluster": {"server": "https://hub:6443", "certificate-authority": "ca.crt"}},
                {"name": "managed1", "cluster": {
                    "server": "https://hub:6443/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy",
                }},
            ],
        });
        let two = json!({
            "current-context": "other",
            "users": [{"name": "admin", "user": {"client-certificate": "admin.crt", "token": "t"}}],
            "clusters": [{"name": "hub", "cluster": {"server": "https://shadowed"}}],
        });
        Documents(vec![
            ("/one/config".into(), one),
            ("/two/config".into(), two),
        ])
    }

    #[test]
    fn the_first_file_that_has_an_entry_wins() {
        let hub = documents().hub(None).unwrap();
        assert_eq!(
            (hub.context.as_str(), hub.server()),
            ("hub", "https://hub:6443")
        );
        assert_eq!(hub.cluster_home, Path::new("/one"));
        assert_eq!(hub.path, Path::new("/two/config"), "the user is there");
        assert_eq!(hub.user.unwrap().0, "admin");
        let nobody = documents().hub(Some("nobody")).unwrap();
        assert_eq!((nobody.user, nobody.path), (None, "/one/config".into()));
    }

    #[test]
    fn a_managed_clusters_context_stands_for_its_hub() {
        let hub = documents().hub(Some("managed1")).unwrap();
        assert_eq!(hub.server(), "https://hub:6443");
    }

    #[test]
    fn what_is_missing_is_named() {
        let said = |context: Option<&str>, documents: Documents| {
            documents.hub(context).unwrap_err().to_string()
        };
        assert_eq!(
            said(Some("prod"), documents()),
            "the kubeconfig has no context prod; it has hub, managed1, nobody, lost"
        );
        assert_eq!(
            said(Some("lost"), documents()),
            "context lost names user gone, which the kubeconfig does not have"
        );
        let empty = Documents(vec![("/config".into(), Value::Null)]);
        assert!(said(None, empty).contains("no current context"));
    }
}
