//! What a request acts on at the managed cluster, as audit policies and events name it. Pure.

use std::borrow::Cow;

use crds::ServiceAddress;
use http::Method;

use crate::{request_info::RequestInfo, verb::Verb};

/// What a request acts on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Object<'a> {
    pub(super) verb: Cow<'static, str>,
    /// The path at the managed cluster.
    pub(super) path: &'a str,
    /// Empty for paths such as `/version`.
    pub(super) resource: &'a str,
    pub(super) subresource: &'a str,
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) namespace: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
}

impl<'a> Object<'a> {
    /// Reads a request from its method, its decoded path and its query. A request to an exposed
    /// service acts on the proxy of that service.
    pub(super) fn read(
        method: &Method,
        path: &'a str,
        query: Option<&str>,
        service: Option<&ServiceAddress>,
    ) -> Self {
        if let Some(service) = service {
            return Self::of_service(method, path, service);
        }
        let info = RequestInfo::read(method, path, query);
        let verb = match info.resource {
            "" => Cow::Owned(method.as_str().to_ascii_lowercase()),
            _ => Cow::Borrowed(info.verb.name()),
        };
        Self {
            verb,
            path,
            resource: info.resource,
            subresource: info.subresource,
            group: info.group,
            version: info.version,
            namespace: Cow::Borrowed(info.namespace),
            name: Cow::Borrowed(info.name),
        }
    }

    fn of_service(method: &Method, path: &'a str, service: &ServiceAddress) -> Self {
        let service = service.to_string();
        let (namespace, name) = service.split_once('/').unwrap_or(("", &service));
        Self {
            verb: Cow::Borrowed(Verb::of_method(method).name()),
            path,
            resource: "services",
            subresource: "proxy",
            group: "",
            version: "v1",
            namespace: Cow::Owned(namespace.to_owned()),
            name: Cow::Owned(name.to_owned()),
        }
    }

    pub(super) fn is_resource(&self) -> bool {
        !self.resource.is_empty()
    }

    /// Whether the answer may take long, as kube-apiserver sees it.
    pub(super) fn lasts(&self) -> bool {
        let long = ["attach", "exec", "log", "portforward", "proxy"];
        self.verb == "watch" || long.contains(&self.subresource)
    }

    /// Whether the path and the query are meant for a program that the API server only passes them
    /// on to.
    pub(super) fn is_for_others(&self) -> bool {
        self.subresource == "proxy"
    }
}
