//! The question: a verb, and a resource as people write it.

use std::{fmt, str::FromStr};

use kube::core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery};

use crate::{
    hub::{Hub, unanswered},
    voice,
};

/// A resource as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    resource: String,
    subresource: Option<String>,
    group: Option<String>,
}

/// The text is not a resource.
#[derive(Debug, thiserror::Error)]
#[error(
    "write the resource as RESOURCE[/SUBRESOURCE][.GROUP], e.g. pods/log or deployments/scale.apps"
)]
pub(crate) struct NoResource;

/// A question for rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) verb: String,
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) subresource: Option<String>,
    pub(super) is_namespaced: bool,
    /// `None` stands for any namespace.
    pub(super) namespace: Option<String>,
}

impl FromStr for Asked {
    type Err = NoResource;

    fn from_str(text: &str) -> Result<Self, NoResource> {
        let (resource, subresource) = match text.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (text, None),
        };
        let split = |text: &str| match text.split_once('.') {
            Some((name, group)) => (name.to_owned(), Some(group.to_owned())),
            None => (text.to_owned(), None),
        };
        let (resource, group) = split(resource);
        let (subresource, its_group) = subresource.map(split).unzip();
        let its_group = its_group.flatten();
        let is_empty = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
        if resource.is_empty()
            || is_empty(&subresource)
            || is_empty(&group)
            || is_empty(&its_group)
            || (group.is_some() && its_group.is_some())
        {
            return Err(NoResource);
        }
        Ok(Self {
            resource,
            subresource,
            group: group.or(its_group),
        })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(subresource) = &self.subresource {
            write!(f, "/{subresource}")?;
        }
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// The question with the resource as the hub knows it: short names and groups are resolved, and it
/// is known whether it is namespaced. A resource that the hub does not know is used as written,
/// because managed clusters may have it.
pub(super) async fn resolved(
    hub: &Hub,
    asked: &Asked,
    verb: &str,
    namespace: Option<&str>,
) -> Question {
    let found = match groups(hub).await {
        Ok(groups) => asked.find(&groups),
        Err(error) => {
            voice::note(&format!(
                "cannot list the resources that the hub serves: {}",
                unanswered(error)
            ));
            None
        }
    };
    let question = asked.question(found.as_ref(), verb, namespace);
    if found.is_none() {
        voice::note(&format!(
            "the hub does not serve {}; it is interpreted as the plural name of a namespaced resource in {}",
            asked.resource,
            group_word(&question.group)
        ));
    }
    question
}

fn group_word(group: &str) -> String {
    if group.is_empty() {
        "the core group".to_owned()
    } else {
        format!("group {group}")
    }
}

async fn groups(hub: &Hub) -> kube::Result<Vec<APIGroupDiscovery>> {
    let core = hub.client.list_core_api_versions_aggregated().await?.items;
    let named = hub.client.list_api_groups_aggregated().await?.items;
    Ok(core.into_iter().chain(named).collect())
}

/// A resource that the hub serves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Served {
    group: String,
    plural: String,
    is_namespaced: bool,
}

impl Asked {
    /// The first resource that matches, in the hub's own order.
    fn find(&self, groups: &[APIGroupDiscovery]) -> Option<Served> {
        groups.iter().find_map(|group| {
            let metadata = group.metadata.as_ref();
            let name = metadata.and_then(|it| it.name.as_deref()).unwrap_or("");
            if self.group.as_deref().is_some_and(|it| it != name) {
                return None;
            }
            let mut resources = group.versions.iter().flat_map(|it| &it.resources);
            let resource = resources.find(|it| self.is_called(it))?;
            Some(Served {
                group: name.to_owned(),
                plural: resource.resource.clone()?,
                is_namespaced: resource.scope.as_deref() == Some("Namespaced"),
            })
        })
    }

    fn is_called(&self, resource: &APIResourceDiscovery) -> bool {
        let word = self.resource.to_lowercase();
        resource.resource.as_ref() == Some(&word)
            || resource.singular_resource.as_ref() == Some(&word)
            || resource.short_names.contains(&word)
    }

    fn question(&self, found: Option<&Served>, verb: &str, namespace: Option<&str>) -> Question {
        let written = || Served {
            group: self.group.clone().unwrap_or_default(),
            plural: self.resource.clone(),
            is_namespaced: true,
        };
        let Served {
            group,
            plural,
            is_namespaced,
        } = found.cloned().unwrap_or_else(written);
        Question {
            verb: verb.to_owned(),
            group,
            resource: plural,
            subresource: self.subresource.clone(),
            is_namespaced,
            namespace: namespace.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(text: &str) -> Asked {
        text.parse().unwrap()
    }

    fn said(text: &str) -> (String, bool) {
        let resource = |plural: &str, singular: &str, short: &str, scope: &str| {
            json!({
                "resource": plural, "singularResource": singular, "shortNames": [short], "scope": scope,
            })
        };
        let groups: Vec<APIGroupDiscovery> = serde_json::from_value(json!([
            {"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": [
                resource("pods", "pod", "po", "Namespaced"),
                resource("nodes", "node", "no", "Cluster"),
                resource("events", "event", "ev", "Namespaced"),
            ]}]},
            {"metadata": {"name": "events.k8s.io"}, "versions": [{"version": "v1", "resources": [
                resource("events", "event", "ev", "Namespaced"),
            ]}]},
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                resource("deployments", "deployment", "deploy", "Namespaced"),
            ]}]},
        ]))
        .unwrap();
        let asked = asked(text);
        let found = asked.find(&groups);
        let question = asked.question(found.as_ref(), "get", None);
        (question.to_string(), question.is_namespaced)
    }

    #[test]
    fn resources_are_what_the_hub_calls_so() {
        for (text, wanted, namespaced) in [
            ("po", "get pods", true),
            ("Pod/log", "get pods/log", true),
            ("node", "get nodes", false),
            ("events", "get events", true),
            ("ev.events.k8s.io", "get events.events.k8s.io", true),
            ("deploy/scale", "get deployments/scale.apps", true),
            ("deployments/scale.apps", "get deployments/scale.apps", true),
            ("deployments.apps/scale", "get deployments/scale.apps", true),
            ("widgets.example.com", "get widgets.example.com", true),
            ("pods.apps", "get pods.apps", true),
            ("*", "get *", true),
        ] {
            assert_eq!(said(text), (wanted.to_owned(), namespaced), "{text}");
        }
    }

    #[test]
    fn what_names_no_resource_is_refused() {
        for text in ["", "/log", "pods/", "pods.", ".apps", "a.b/c.d", "/healthz"] {
            assert!(text.parse::<Asked>().is_err(), "{text}");
        }
    }
}
