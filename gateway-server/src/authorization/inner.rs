//! What a request asks of a managed cluster, in terms that a rule of the hub's RBAC can name: the verb on
//! `clustergateways/RESOURCE[.GROUP][/SUBRESOURCE]`, with the name of the cluster and the namespace of the
//! object. Pure.

use crds::{ClusterName, cluster_core::GROUP};
use http::Method;

use crate::{
    api::selector::Selection,
    request_info::{RequestInfo, decoded},
    verb::Verb,
};

pub(super) const RESOURCE: &str = "clustergateways";
/// The subresource that stands for all paths that are no resource.
const PATHS: &str = "nonresourceurls";
/// Paths that every API server shows to everybody who is known to it. kubectl needs them.
const DISCOVERY: [&str; 7] = [
    "/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version",
];
/// Below these as well.
const DISCOVERY_BELOW: [&str; 3] = ["/api/", "/apis/", "/openapi/"];

/// What a request asks of a managed cluster.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Inner {
    pub(super) cluster: ClusterName,
    /// The verb of its method alone, which the hub's RBAC on `clustergateways/proxy` has allowed.
    pub(super) outer: Verb,
    /// The verb on the managed cluster.
    pub(super) verb: String,
    pub(super) target: Target,
}

/// What the verb is for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Target {
    /// An object of the managed cluster, or all objects of its kind.
    Resource {
        group: String,
        /// With the subresource, as in `pods/exec`.
        resource: String,
        /// Empty for objects of the whole cluster.
        namespace: String,
        /// Empty for all objects.
        name: String,
    },
    /// A path that every API server shows to everybody who is known to it.
    Discovery,
    /// Any other path.
    Path(String),
}

impl Inner {
    /// Reads the method, and the path and the query as the managed cluster sees them.
    pub(crate) fn of(
        cluster: &ClusterName,
        method: &Method,
        path: &str,
        query: Option<&str>,
    ) -> Self {
        let path = decoded(path);
        let info = RequestInfo::read(method, &path, query);
        let (verb, target) = if info.resource.is_empty() {
            (method.as_str().to_ascii_lowercase(), Target::path(&path))
        } else {
            let target = Target::resource(&info, query);
            (info.verb.name().to_owned(), target)
        };
        Self {
            cluster: cluster.clone(),
            outer: Verb::of_method(method),
            verb,
            target,
        }
    }

    /// The names of which the hub's RBAC must allow one: the cluster, or an object of it.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let name = match &self.target {
            Target::Resource { name, .. } if !name.is_empty() => Some(name),
            _ => None,
        };
        let object = name.map(|name| format!("{}/{name}", self.cluster));
        [self.cluster.to_string()].into_iter().chain(object)
    }

    /// The subresource of `clustergateways` in a rule. `None` if no rule is needed.
    pub(super) fn subresource(&self) -> Option<String> {
        match &self.target {
            Target::Discovery => None,
            Target::Path(_) => Some(PATHS.to_owned()),
            Target::Resource {
                group, resource, ..
            } if group.is_empty() => Some(resource.clone()),
            Target::Resource {
                group, resource, ..
            } => Some(match resource.split_once('/') {
                Some((resource, subresource)) => format!("{resource}.{group}/{subresource}"),
                None => format!("{resource}.{group}"),
            }),
        }
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        match &self.target {
            Target::Resource { namespace, .. } if !namespace.is_empty() => Some(namespace),
            _ => None,
        }
    }

    /// The refusal's sentence, in the words of kube-apiserver and with the rule that is missing.
    pub(super) fn forbidden(&self, user: &str, reason: &str) -> String {
        let Self {
            cluster,
            verb,
            target,
            outer: _,
        } = self;
        let cluster = cluster.as_str();
        let what = match target {
            Target::Resource {
                group,
                resource,
                namespace,
                name,
            } => {
                let plain = resource.split('/').next().unwrap_or_default();
                let kind = if group.is_empty() {
                    plain.to_owned()
                } else {
                    format!("{plain}.{group}")
                };
                let quoted = if name.is_empty() {
                    String::new()
                } else {
                    format!(" {name:?}")
                };
                let place = if namespace.is_empty() {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace {namespace:?}")
                };
                format!(
                    "{kind}{quoted} is forbidden: User {user:?} cannot {verb} resource {resource:?} in API group \
                     {group:?} {place} of managed cluster {cluster:?}"
                )
            }
            Target::Discovery | Target::Path(_) => {
                let path = self.path();
                format!(
                    "forbidden: User {user:?} cannot {verb} path {path:?} of managed cluster {cluster:?}"
                )
            }
        };
        let rule = self.subresource().unwrap_or_default();
        let because = if reason.is_empty() {
            String::new()
        } else {
            format!(" ({reason})")
        };
        format!(
            "{what}, because the hub's RBAC decides what is done inside managed clusters, and lets neither this user \
             nor its groups {verb} {RESOURCE}/{rule} in API group {GROUP:?}{because}"
        )
    }

    fn path(&self) -> &str {
        match &self.target {
            Target::Path(path) => path,
            Target::Resource { .. } | Target::Discovery => "/",
        }
    }
}

impl Target {
    fn path(path: &str) -> Self {
        let bare = path.strip_suffix('/').unwrap_or(path);
        let is_discovery = DISCOVERY.contains(&bare)
            || DISCOVERY_BELOW.iter().any(|below| path.starts_with(below));
        if is_discovery {
            Self::Discovery
        } else {
            Self::Path(path.to_owned())
        }
    }

    fn resource(info: &RequestInfo<'_>, query: Option<&str>) -> Self {
        let resource = if info.subresource.is_empty() {
            info.resource.to_owned()
        } else {
            format!("{}/{}", info.resource, info.subresource)
        };
        let name = match info.verb {
            Verb::List | Verb::Watch | Verb::DeleteCollection => {
                selected(query).unwrap_or_default()
            }
            _ => info.name.to_owned(),
        };
        Self::Resource {
            group: info.group.to_owned(),
            resource,
            namespace: info.namespace.to_owned(),
            name,
        }
    }
}

/// The only object that a list or a watch asks for, if its field selector names one.
fn selected(query: Option<&str>) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    let (_, fields) = pairs.find(|(key, _)| key == "fieldSelector")?;
    let selection = Selection::parse("", &fields).ok()?;
    selection.only().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(request: &str) -> Inner {
        let (method, uri) = request.split_once(' ').unwrap();
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (uri, None),
        };
        let cluster = "managed1".parse().unwrap();
        Inner::of(&cluster, &method.parse().unwrap(), path, query)
    }

    /// The verb, the subresource, the namespace and the names that are asked for.
    fn asked(request: &str) -> (String, String, String, Vec<String>) {
        let inner = inner(request);
        let names = inner.names().collect();
        let rule = inner.subresource().unwrap_or_else(|| "-".to_owned());
        let namespace = match inner.target {
            Target::Resource { namespace, .. } => namespace,
            Target::Discovery | Target::Path(_) => String::new(),
        };
        (inner.verb, rule, namespace, names)
    }

    /// Requests; then the verb, the subresource and the namespace, and the names.
    const TABLE: &[(&str, [&str; 3], &[&str])] = &[
        ("GET /api/v1/pods", ["list", "pods", ""], &["managed1"]),
        (
            "GET /api/v1/namespaces/d/pods/p",
            ["get", "pods", "d"],
            &["managed1", "managed1/p"],
        ),
        (
            "GET /api/v1/namespaces/d/pods/p/exec?command=sh",
            ["create", "pods/exec", "d"],
            &["managed1", "managed1/p"],
        ),
        (
            "POST /api/v1/namespaces/d/pods/p%2Fexec",
            ["create", "pods/exec", "d"],
            &["managed1", "managed1/p"],
        ),
        (
            "PATCH /apis/apps/v1/namespaces/d/deployments/x/scale",
            ["patch", "deployments.apps/scale", "d"],
            &["managed1", "managed1/x"],
        ),
        (
            "GET /apis/apps/v1/deployments?watch=1",
            ["watch", "deployments.apps", ""],
            &["managed1"],
        ),
        (
            "GET /api/v1/namespaces/d/secrets?fieldSelector=metadata.name%3Ds",
            ["list", "secrets", "d"],
            &["managed1", "managed1/s"],
        ),
        (
            "DELETE /api/v1/namespaces/d/pods",
            ["deletecollection", "pods", "d"],
            &["managed1"],
        ),
        ("GET /apis/apps/v1", ["get", "-", ""], &["managed1"]),
        ("GET /healthz", ["get", "-", ""], &["managed1"]),
        (
            "GET /openapi/v3/apis/apps/v1",
            ["get", "-", ""],
            &["managed1"],
        ),
        (
            "GET /metrics",
            ["get", "nonresourceurls", ""],
            &["managed1"],
        ),
        (
            "POST /logs/",
            ["post", "nonresourceurls", ""],
            &["managed1"],
        ),
    ];

    #[test]
    fn a_request_is_asked_about_as_a_rule_can_name_it() {
        for (request, wanted, wanted_names) in TABLE {
            let (verb, rule, namespace, names) = asked(request);
            assert_eq!([verb, rule, namespace], *wanted, "{request}");
            assert_eq!(names, *wanted_names, "{request}");
        }
    }

    #[test]
    fn a_refusal_names_the_rule_that_is_missing() {
        let told = inner("POST /api/v1/namespaces/d/pods/p/exec").forbidden("alice", "");
        assert!(
            told.starts_with(
                "pods \"p\" is forbidden: User \"alice\" cannot create resource \"pods/exec\""
            ),
            "{told}"
        );
        assert!(
            told.contains("in the namespace \"d\" of managed cluster \"managed1\""),
            "{told}"
        );
        assert!(
            told.contains("create clustergateways/pods/exec in API group \"cluster.core.oam.dev\""),
            "{told}"
        );
        let told = inner("GET /metrics").forbidden("alice", "why");
        assert!(
            told.contains("cannot get path \"/metrics\"") && told.contains("(why)"),
            "{told}"
        );
    }
}
