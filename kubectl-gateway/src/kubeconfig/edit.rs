//! Adds a context to a kubeconfig. Pure. It works on the file's own structure, so unknown fields
//! are kept.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    documents::{HubEntry, named},
    file::home,
};
use crate::gateway_path::proxy_path;

/// The fields of a cluster that contain paths, as JSON pointers.
const CLUSTER_PATHS: &[&str] = &["/certificate-authority"];
/// The fields of a user that contain paths.
const USER_PATHS: &[&str] = &["/client-certificate", "/client-key", "/tokenFile"];
const USER_COMMAND: &str = "/exec/command";

/// What to add: a cluster and a context of the same name, and the user for the context.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    cluster: Value,
    user: Option<String>,
    /// The user's entry, if the file needs a copy of it.
    copied: Option<Value>,
}

/// Whether the added context becomes the current one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Current {
    Switch,
    /// If the file has no current context yet.
    IfNone,
    Keep,
}

/// Why the file cannot be edited.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EditError {
    #[error("it is not a kubeconfig: {0} does not have the type that it has in a kubeconfig")]
    Shape(String),
    #[error("it already has a different {what} {name}; choose another --name, or delete it first")]
    Taken { what: &'static str, name: String },
    #[error("it already has a different user {0}; write to another file")]
    OtherUser(String),
}

impl Entry {
    /// An entry for the file that contains the hub's user.
    pub(crate) fn beside_user(hub: &HubEntry, cluster: &str, name: String) -> Self {
        let home = home(&hub.path);
        Self {
            name,
            cluster: behind(hub, cluster, home),
            user: hub.user.as_ref().map(|(name, _)| name.clone()),
            copied: None,
        }
    }

    /// An entry for another file in the directory `home`.
    pub(crate) fn with_user(hub: &HubEntry, cluster: &str, name: String, home: &Path) -> Self {
        let own = self::home(&hub.path);
        let copied = hub.user.as_ref().map(|(_, user)| {
            let mut user = user.clone();
            if own != home {
                anchor(&mut user, USER_PATHS, own);
                // A command without a slash is looked up on PATH.
                let command = user.pointer(USER_COMMAND).and_then(Value::as_str);
                if command.is_some_and(|it| it.contains('/')) {
                    anchor(&mut user, &[USER_COMMAND], own);
                }
            }
            user
        });
        Self {
            copied,
            cluster: behind(hub, cluster, home),
            ..Self::beside_user(hub, cluster, name)
        }
    }
}

/// The hub's cluster entry with the address of the managed cluster as its server.
fn behind(hub: &HubEntry, cluster: &str, home: &Path) -> Value {
    let mut body = hub.cluster.clone();
    body["server"] = format!("{}{}", hub.server(), proxy_path(cluster)).into();
    if hub.cluster_home != home {
        anchor(&mut body, CLUSTER_PATHS, &hub.cluster_home);
    }
    body
}

/// Changes relative paths so that they stay valid in another directory.
fn anchor(body: &mut Value, pointers: &[&str], home: &Path) {
    for pointer in pointers {
        if let Some(value) = body.pointer_mut(pointer)
            && let Some(path) = value.as_str().filter(|path| !path.is_empty())
        {
            *value = home.join(path).display().to_string().into();
        }
    }
}

/// Adds the context, or updates an existing one for the same cluster.
pub(crate) fn add(config: &mut Value, entry: &Entry, current: Current) -> Result<(), EditError> {
    let name = entry.name.as_str();
    let taken = |what| EditError::Taken {
        what,
        name: name.to_owned(),
    };
    if let Some(cluster) = named(config, "clusters", name)
        && cluster["cluster"]["server"] != entry.cluster["server"]
    {
        return Err(taken("cluster"));
    }
    if let Some(context) = named(config, "contexts", name)
        && context["context"]["cluster"] != name
    {
        return Err(taken("context"));
    }
    let root = root(config)?;
    root.entry("apiVersion").or_insert_with(|| "v1".into());
    root.entry("kind").or_insert_with(|| "Config".into());
    root.entry("users").or_insert_with(|| json!([]));
    *entry_of(root, "clusters", "cluster", name)? = entry.cluster.clone();
    let context = entry_of(root, "contexts", "context", name)?;
    if !context.is_object() {
        *context = json!({});
    }
    context["cluster"] = name.into();
    if let Some(user) = &entry.user {
        context["user"] = user.as_str().into();
        if let Some(copied) = &entry.copied {
            let there = entry_of(root, "users", "user", user)?;
            if !there.is_null() && there != copied {
                return Err(EditError::OtherUser(user.clone()));
            }
            *there = copied.clone();
        }
    }
    let has_current = root
        .get("current-context")
        .is_some_and(|it| *it != "" && !it.is_null());
    if current == Current::Switch || current == Current::IfNone && !has_current {
        root.insert("current-context".to_owned(), name.into());
    }
    Ok(())
}

fn root(config: &mut Value) -> Result<&mut Map<String, Value>, EditError> {
    if config.is_null() {
        *config = json!({});
    }
    let wrong = || EditError::Shape("the document".to_owned());
    config.as_object_mut().ok_or_else(wrong)
}

/// The contents of a list's entry. `None` if the entry does not exist.
fn entry_of<'a>(
    root: &'a mut Map<String, Value>,
    list: &str,
    field: &str,
    name: &str,
) -> Result<&'a mut Value, EditError> {
    let wrong = || EditError::Shape(list.to_owned());
    let entries = root.entry(list).or_insert_with(|| json!([]));
    if entries.is_null() {
        *entries = json!([]);
    }
    let entries = entries.as_array_mut().ok_or_else(wrong)?;
    let found = entries.iter().position(|entry| entry["name"] == name);
    let index = found.unwrap_or(entries.len());
    if found.is_none() {
        entries.push(json!({"name": name}));
    }
    let entry = entries[index].as_object_mut().ok_or_else(wrong)?;
    Ok(entry.entry(field).or_insert(Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeconfig::documents::tests::documents;

    const SERVER: &str =
        "https://hub:6443/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed2/proxy";

    fn beside() -> Entry {
        let hub = documents().hub(None).unwrap();
        Entry::beside_user(&hub, "managed2", "managed2".to_owned())
    }

    fn copied() -> Entry {
        let hub = documents().hub(None).unwrap();
        Entry::with_user(&hub, "managed2", "m".to_owned(), Path::new("/out"))
    }

    #[test]
    fn a_context_refers_to_the_hubs_user_and_all_else_stays() {
        let before = json!({
            "future": {"kept": [1, null]},
            "preferences": {},
            "current-context": "hub",
            "users": [{"name": "admin", "user": {"token": "t", "unknown": true}}],
            "contexts": [{"name": "hub", "context": {"cluster": "hub"}}],
        });
        let mut config = before.clone();
        add(&mut config, &beside(), Current::Keep).unwrap();
        let added = json!({"cluster": "managed2", "user": "admin"});
        let cluster = json!({"server": SERVER, "certificate-authority": "/one/ca.crt"});
        assert_eq!(config["contexts"][1]["context"], added);
        assert_eq!(config["clusters"][0]["cluster"], cluster);
        for field in ["future", "preferences", "current-context", "users"] {
            assert_eq!(config[field], before[field], "{field}");
        }
        assert_eq!(config["contexts"][0], before["contexts"][0]);

        let once = config.clone();
        add(&mut config, &beside(), Current::Keep).unwrap();
        assert_eq!(config, once, "a second time changes nothing");
        add(&mut config, &beside(), Current::Switch).unwrap();
        assert_eq!(config["current-context"], "managed2");
    }

    #[test]
    fn what_was_set_on_the_context_stays() {
        let mut config = Value::Null;
        add(&mut config, &beside(), Current::Keep).unwrap();
        config["contexts"][0]["context"]["namespace"] = "shop".into();
        add(&mut config, &beside(), Current::Keep).unwrap();
        assert_eq!(config["contexts"][0]["context"]["namespace"], "shop");
        assert_eq!(
            (&config["kind"], &config["apiVersion"]),
            (&"Config".into(), &"v1".into())
        );
    }

    #[test]
    fn another_file_gets_a_copy_whose_paths_say_the_same() {
        let mut config = Value::Null;
        add(&mut config, &copied(), Current::Keep).unwrap();
        let user = json!({"client-certificate": "/two/admin.crt", "token": "t"});
        assert_eq!(config["users"], json!([{"name": "admin", "user": user}]));
        assert_eq!(config["contexts"][0]["context"]["user"], "admin");
        assert_eq!(config.get("current-context"), None);
        add(&mut config, &copied(), Current::IfNone).unwrap();
        assert_eq!(config["current-context"], "m");
        config["current-context"] = "mine".into();
        add(&mut config, &copied(), Current::IfNone).unwrap();
        assert_eq!(config["current-context"], "mine");

        config["users"][0]["user"]["token"] = "other".into();
        let refused = add(&mut config.clone(), &copied(), Current::Keep);
        assert_eq!(refused, Err(EditError::OtherUser("admin".to_owned())));
    }

    #[test]
    fn a_command_is_anchored_where_it_is_a_path() {
        for (command, wanted) in [
            ("aws", "aws"),
            ("./login", "/two/./login"),
            ("/bin/x", "/bin/x"),
        ] {
            let mut hub = documents().hub(None).unwrap();
            hub.user = Some(("admin".to_owned(), json!({"exec": {"command": command}})));
            let entry = Entry::with_user(&hub, "a", "a".to_owned(), Path::new("/out"));
            assert_eq!(entry.copied.unwrap()["exec"]["command"], wanted);
        }
    }

    #[test]
    fn nothing_of_the_same_name_is_taken_over() {
        let taken = |config: Value| add(&mut config.clone(), &beside(), Current::Keep).unwrap_err();
        let other =
            json!({"clusters": [{"name": "managed2", "cluster": {"server": "https://else"}}]});
        assert!(matches!(
            taken(other),
            EditError::Taken {
                what: "cluster",
                ..
            }
        ));
        let other = json!({"contexts": [{"name": "managed2", "context": {"cluster": "else"}}]});
        assert!(matches!(
            taken(other),
            EditError::Taken {
                what: "context",
                ..
            }
        ));
        for wrong in [json!([]), json!({"clusters": {}}), json!({"clusters": "x"})] {
            assert!(matches!(taken(wrong), EditError::Shape(_)));
        }
    }
}
