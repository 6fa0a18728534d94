//! What a request asks of the managed cluster: the Kubernetes verb behind its method and path, and
//! whether its answer may begin late. Follows kube-apiserver's own reading of a request, so that
//! deadlines, metrics and later authorization agree with what the managed cluster will do. Pure.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::verb::Verb;

/// The reading of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RequestInfo<'a> {
    pub(crate) verb: Verb,
    /// Empty for non-resource paths such as `/healthz`.
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    /// Empty for the core group.
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    /// Empty if the request is about no namespace, or about all.
    pub(crate) namespace: &'a str,
    /// Empty if the request is about a collection.
    pub(crate) name: &'a str,
}

/// A path as API servers read it, which undo its percent-encoding first.
pub(crate) fn decoded(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

impl<'a> RequestInfo<'a> {
    /// Reads a request from its method, the [`decoded`] path as the managed cluster sees it, and its
    /// query.
    pub(crate) fn read(method: &Method, path: &'a str, query: Option<&str>) -> Self {
        let by_method = Verb::of_method(method);
        let Some(Versioned {
            group,
            version,
            parts,
        }) = Versioned::of(path)
        else {
            return Self::of_no_resource(by_method);
        };
        let (watch_prefix, parts) = match parts {
            Parts {
                first: "watch",
                rest,
            } => (true, Parts::of(rest)),
            parts => (false, parts),
        };
        let Object {
            namespace,
            resource,
            name,
            subresource,
        } = parts.object();
        let named = !name.is_empty();
        let verb = match by_method {
            Verb::Get if watch_prefix => Verb::Watch,
            // kubectl opens these with GET over WebSocket, but they are not read-only.
            Verb::Get if matches!(subresource, "attach" | "exec" | "portforward") => Verb::Create,
            Verb::Get if !named && flag(query, "watch") => Verb::Watch,
            Verb::Get if !named => Verb::List,
            Verb::Delete if !named => Verb::DeleteCollection,
            verb => verb,
        };
        Self {
            verb,
            resource,
            subresource,
            group,
            version,
            namespace,
            name,
        }
    }

    fn of_no_resource(verb: Verb) -> Self {
        Self {
            verb,
            resource: "",
            subresource: "",
            group: "",
            version: "",
            namespace: "",
            name: "",
        }
    }

    /// True if the answer may begin late: a log may follow a silent container, and a service behind
    /// the managed cluster's own proxy may be slow. A watch begins at once.
    pub(crate) fn begins_late(&self) -> bool {
        matches!(self.subresource, "log" | "proxy")
    }
}

/// The first of the path segments behind the group-version, and the rest of them.
struct Parts<'a> {
    first: &'a str,
    rest: &'a str,
}

struct Object<'a> {
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: &'a str,
}

/// A path below a version of a group.
struct Versioned<'a> {
    group: &'a str,
    version: &'a str,
    parts: Parts<'a>,
}

impl<'a> Parts<'a> {
    fn of(path: &'a str) -> Self {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        Self { first, rest }
    }

    fn object(self) -> Object<'a> {
        if self.first != "namespaces" {
            return Object::of("", self.first, self.rest);
        }
        // namespaces/NAME/RESOURCE… is a namespaced resource, except for the namespace's own
        // subresources.
        let inner = Self::of(self.rest);
        match Self::of(inner.rest) {
            Self {
                first: "" | "finalize" | "status",
                ..
            } => Object::of(inner.first, self.first, self.rest),
            Self { first, rest } => Object::of(inner.first, first, rest),
        }
    }
}

impl<'a> Object<'a> {
    fn of(namespace: &'a str, resource: &'a str, rest: &'a str) -> Self {
        let Parts { first: name, rest } = Parts::of(rest);
        Self {
            namespace,
            resource,
            name,
            subresource: Parts::of(rest).first,
        }
    }
}

impl<'a> Versioned<'a> {
    /// Reads `/api/VERSION/…` or `/apis/GROUP/VERSION/…`, if the path has that form.
    fn of(path: &'a str) -> Option<Self> {
        let path = path.trim_matches('/');
        let (group, rest) = match path.strip_prefix("api/") {
            Some(rest) => ("", rest),
            None => path.strip_prefix("apis/")?.split_once('/')?,
        };
        let (version, rest) = rest.split_once('/')?;
        (!rest.is_empty()).then(|| Self {
            group,
            version,
            parts: Parts::of(rest),
        })
    }
}

/// The first value of a boolean query parameter, as Kubernetes reads one: set and neither `0` nor
/// `false`.
fn flag(query: Option<&str>, name: &str) -> bool {
    let Some(query) = query else { return false };
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .is_some_and(|(_, value)| value != "0" && !value.eq_ignore_ascii_case("false"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Reading = (&'static str, &'static str, &'static str, bool);

    /// Request; then verb, resource, subresource, and whether its answer may begin late.
    const TABLE: &[(&str, Reading)] = &[
        ("GET /healthz", ("get", "", "", false)),
        ("GET /api", ("get", "", "", false)),
        ("GET /api/v1", ("get", "", "", false)),
        ("GET /apis/apps/v1", ("get", "", "", false)),
        ("OPTIONS /api/v1/pods", ("other", "pods", "", false)),
        ("GET /api/v1/namespaces", ("list", "namespaces", "", false)),
        (
            "GET /api/v1/namespaces?watch=true",
            ("watch", "namespaces", "", false),
        ),
        (
            "GET /api/v1/namespaces?watch=0",
            ("list", "namespaces", "", false),
        ),
        (
            "GET /api/v1/namespaces?watch=False",
            ("list", "namespaces", "", false),
        ),
        (
            "GET /api/v1/namespaces?watch",
            ("watch", "namespaces", "", false),
        ),
        ("GET /api/v1/namespaces/d", ("get", "namespaces", "", false)),
        (
            "PUT /api/v1/namespaces/d/finalize",
            ("update", "namespaces", "finalize", false),
        ),
        (
            "GET /api/v1/namespaces/d/status",
            ("get", "namespaces", "status", false),
        ),
        ("GET /api/v1/namespaces/d/pods", ("list", "pods", "", false)),
        (
            "DELETE /api/v1/namespaces/d/pods",
            ("deletecollection", "pods", "", false),
        ),
        (
            "DELETE /api/v1/namespaces/d/pods/p",
            ("delete", "pods", "", false),
        ),
        (
            "POST /api/v1/namespaces/d/pods",
            ("create", "pods", "", false),
        ),
        (
            "PATCH /apis/apps/v1/namespaces/d/deployments/x/scale",
            ("patch", "deployments", "scale", false),
        ),
        (
            "GET /api/v1/watch/namespaces/d/pods",
            ("watch", "pods", "", false),
        ),
        (
            "GET /api/v1/namespaces/d/pods/p/log?follow=true",
            ("get", "pods", "log", true),
        ),
        (
            "GET /api/v1/namespaces/d/pods/p/exec?command=sh",
            ("create", "pods", "exec", false),
        ),
        (
            "POST /api/v1/namespaces/d/pods/p/portforward",
            ("create", "pods", "portforward", false),
        ),
        (
            "GET /api/v1/namespaces/d/services/s:80/proxy/a/b",
            ("get", "services", "proxy", true),
        ),
        (
            "GET /api/v1/nodes/n/proxy/metrics",
            ("get", "nodes", "proxy", true),
        ),
        (
            "GET /apis/apps/v1/deployments?watch=1&watch=0",
            ("watch", "deployments", "", false),
        ),
    ];

    fn read(request: &str) -> (&'static str, String, String, bool) {
        let (method, uri) = request.split_once(' ').unwrap();
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (uri, None),
        };
        let path = decoded(path);
        let info = RequestInfo::read(&method.parse().unwrap(), &path, query);
        (
            info.verb.name(),
            info.resource.to_owned(),
            info.subresource.to_owned(),
            info.begins_late(),
        )
    }

    #[test]
    fn reads_requests_as_kube_apiserver_does() {
        for (request, wanted) in TABLE {
            let (verb, resource, subresource, late) = *wanted;
            let wanted = (verb, resource.to_owned(), subresource.to_owned(), late);
            assert_eq!(read(request), wanted, "{request}");
        }
    }

    #[test]
    fn an_encoded_path_means_the_same() {
        let plain = read("POST /api/v1/namespaces/d/pods/p/exec");
        for encoded in ["/pods/p%2Fexec", "/pods/p/%65xec", "/%70ods%2fp%2Fexec"] {
            let path = format!("POST /api/v1/namespaces/d{encoded}");
            assert_eq!(read(&path), plain, "{path}");
        }
    }

    #[test]
    fn names_the_object() {
        for (path, wanted) in [
            ("/version", ["", "", "", "", ""]),
            ("/api/v1/nodes/n", ["", "v1", "nodes", "", "n"]),
            ("/api/v1/namespaces/d", ["", "v1", "namespaces", "d", "d"]),
            ("/api/v1/namespaces/d/pods", ["", "v1", "pods", "d", ""]),
            (
                "/apis/apps/v1/namespaces/d/deployments/x/scale",
                ["apps", "v1", "deployments", "d", "x"],
            ),
            (
                "/api/v1/watch/namespaces/d/pods/p",
                ["", "v1", "pods", "d", "p"],
            ),
        ] {
            let info = RequestInfo::read(&Method::GET, path, None);
            let read = [
                info.group,
                info.version,
                info.resource,
                info.namespace,
                info.name,
            ];
            assert_eq!(read, wanted, "{path}");
        }
    }

    proptest! {
        #[test]
        fn reads_any_path(path in "(/(api|apis|v1|watch|namespaces|pods|log||proxy)){0,8}") {
            let info = RequestInfo::read(&Method::GET, &path, Some("watch=1"));
            prop_assert!(info.resource.is_empty() || path.contains(info.resource));
        }
    }
}
