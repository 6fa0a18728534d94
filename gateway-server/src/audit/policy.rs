//! Which requests are recorded: the Policy of `audit.k8s.io/v1`, as far as it can be kept without
//! bodies. The first rule that matches decides, and a request that no rule matches is not recorded.
//! Pure.

use serde::Deserialize;

use super::object::Object;
use crate::authentication::User;

/// A policy whose rules can be kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Policy {
    api_version: String,
    kind: String,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    /// Bodies are not recorded, so there are no such fields.
    #[serde(default, rename = "omitManagedFields")]
    _omit_managed_fields: Option<bool>,
    #[serde(default, rename = "metadata")]
    _metadata: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    level: Level,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    user_groups: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    resources: Vec<Resources>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default, rename = "omitManagedFields")]
    _omit_managed_fields: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resources {
    #[serde(default)]
    group: String,
    #[serde(default)]
    #[serde(rename = "resources")]
    kinds: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
enum Level {
    None,
    Metadata,
    Request,
    RequestResponse,
}

/// A moment in the life of a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub(super) enum Stage {
    RequestReceived,
    ResponseStarted,
    ResponseComplete,
    Panic,
}

/// The stages at which a request is not recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Omitted {
    pub(super) started: bool,
    pub(super) complete: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ruling {
    Ignore,
    Record { omitted: Omitted },
}

/// A policy cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    #[error(transparent)]
    Yaml(#[from] Box<serde_saphyr::Error>),
    #[error("it is a {kind} of {api_version}, and not a Policy of audit.k8s.io/v1")]
    Kind { api_version: String, kind: String },
    #[error("it has no rules, so nothing would be recorded")]
    Empty,
    #[error(
        "rule {0} has both nonResourceURLs and resources or namespaces, which never match together"
    )]
    Both(usize),
}

impl Policy {
    /// Records every request.
    pub(super) fn everything() -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            rules: vec![Rule::every(Level::Metadata)],
            omit_stages: Vec::new(),
            _omit_managed_fields: None,
            _metadata: None,
        }
    }

    /// Reads the YAML or JSON of a policy.
    pub(super) fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = serde_saphyr::from_str(text).map_err(Box::new)?;
        if (policy.api_version.as_str(), policy.kind.as_str()) != (API_VERSION, KIND) {
            let (api_version, kind) = (policy.api_version, policy.kind);
            return Err(PolicyError::Kind { api_version, kind });
        }
        if policy.rules.is_empty() {
            return Err(PolicyError::Empty);
        }
        match policy.rules.iter().position(Rule::is_contradictory) {
            Some(at) => Err(PolicyError::Both(at + 1)),
            None => Ok(policy),
        }
    }

    /// The rules, counted from 1, that ask for more than is ever recorded.
    pub(super) fn lowered(&self) -> impl Iterator<Item = usize> {
        let asks = |rule: &Rule| matches!(rule.level, Level::Request | Level::RequestResponse);
        let rules = self.rules.iter().enumerate();
        rules
            .filter(move |(_, rule)| asks(rule))
            .map(|(at, _)| at + 1)
    }

    /// What becomes of a request.
    pub(super) fn ruling(&self, user: &User, object: &Object<'_>) -> Ruling {
        let rule = self.rules.iter().find(|rule| rule.matches(user, object));
        let Some(rule) = rule.filter(|rule| rule.level != Level::None) else {
            return Ruling::Ignore;
        };
        let omits = |stage| self.omit_stages.contains(&stage) || rule.omit_stages.contains(&stage);
        let omitted = Omitted {
            started: omits(Stage::ResponseStarted),
            complete: omits(Stage::ResponseComplete),
        };
        if omitted.started && omitted.complete {
            return Ruling::Ignore;
        }
        Ruling::Record { omitted }
    }
}

const API_VERSION: &str = "audit.k8s.io/v1";
const KIND: &str = "Policy";

impl Rule {
    fn every(level: Level) -> Self {
        Self {
            level,
            users: Vec::new(),
            user_groups: Vec::new(),
            verbs: Vec::new(),
            resources: Vec::new(),
            namespaces: Vec::new(),
            non_resource_urls: Vec::new(),
            omit_stages: Vec::new(),
            _omit_managed_fields: None,
        }
    }

    fn is_about_resources(&self) -> bool {
        !self.resources.is_empty() || !self.namespaces.is_empty()
    }

    fn is_contradictory(&self) -> bool {
        self.is_about_resources() && !self.non_resource_urls.is_empty()
    }

    /// An empty list matches everything, as in kube-apiserver.
    fn matches(&self, user: &User, object: &Object<'_>) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|it| it == wanted);
        let mut groups = user.groups.iter();
        let is_listed = |list: &[String], wanted: &str| list.is_empty() || has(list, wanted);
        is_listed(&self.users, &user.name)
            && (self.user_groups.is_empty() || groups.any(|group| has(&self.user_groups, group)))
            && is_listed(&self.verbs, &object.verb)
            && (!self.is_about_resources() || self.matches_resource(object))
            && (self.non_resource_urls.is_empty() || self.matches_path(object))
    }

    fn matches_resource(&self, object: &Object<'_>) -> bool {
        let in_namespace =
            self.namespaces.is_empty() || self.namespaces.iter().any(|it| *it == object.namespace);
        let mut resources = self.resources.iter();
        object.is_resource()
            && in_namespace
            && (self.resources.is_empty() || resources.any(|it| it.include(object)))
    }

    fn matches_path(&self, object: &Object<'_>) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => object.path.starts_with(prefix),
            None => object.path == *pattern,
        };
        !object.is_resource() && self.non_resource_urls.iter().any(matches)
    }
}

impl Resources {
    fn include(&self, object: &Object<'_>) -> bool {
        let is_named = self.resource_names.is_empty()
            || self.resource_names.iter().any(|it| *it == object.name);
        self.group == object.group
            && (self.kinds.is_empty()
                || is_named && self.kinds.iter().any(|it| is_kind(it, object)))
    }
}

/// `pods`, `pods/log`, `pods/*`, `*/log` or `*`.
fn is_kind(pattern: &str, object: &Object<'_>) -> bool {
    match pattern.split_once('/') {
        None if pattern == "*" => true,
        None => pattern == object.resource && object.subresource.is_empty(),
        Some(("*", subresource)) => subresource == object.subresource,
        Some((resource, "*")) => resource == object.resource,
        Some((resource, subresource)) => {
            resource == object.resource && subresource == object.subresource
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::request_info::decoded;

    const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:serviceaccount:vela-system:kubevela"]
  verbs: [get, list, watch]
- level: None
  nonResourceURLs: ["/healthz*", "/version"]
- level: RequestResponse
  resources: [{group: "", resources: ["secrets", "pods/exec"]}]
- level: None
  userGroups: ["system:nodes"]
- level: None
  namespaces: ["kube-system"]
  resources: [{group: coordination.k8s.io, resources: [leases], resourceNames: [one]}]
- level: Metadata
  resources: [{group: "", resources: ["*/log", "configmaps/*"]}, {group: apps}]
  omitStages: [ResponseStarted]
"#;

    fn ruling(user: (&str, &str), request: &str) -> Option<Omitted> {
        let policy = Policy::parse(POLICY).unwrap();
        let user = User {
            name: user.0.to_owned(),
            groups: vec![user.1.to_owned()],
            ..User::default()
        };
        let (method, path) = request.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let path = decoded(path);
        match policy.ruling(&user, &Object::read(&method, &path, None, None)) {
            Ruling::Ignore => None,
            Ruling::Record { omitted } => Some(omitted),
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let (alice, node) = (("alice", "people"), ("node1", "system:nodes"));
        let vela = ("system:serviceaccount:vela-system:kubevela", "");
        let started = Omitted {
            started: true,
            complete: false,
        };
        let all = Omitted::default();
        for (user, request, wanted) in [
            (vela, "GET /api/v1/secrets", None),
            (vela, "POST /api/v1/namespaces/a/secrets", Some(all)),
            (alice, "GET /healthz/ping", None),
            (alice, "GET /version", None),
            (alice, "GET /versions", None),
            (alice, "GET /api/v1/namespaces/a/secrets/b", Some(all)),
            // The managed cluster undoes escapes, and so does the policy.
            (alice, "GET /api/v1/namespaces/a/%73ecrets/b", Some(all)),
            (node, "GET /api/v1/namespaces/a/pods/b/exec", Some(all)),
            (node, "GET /api/v1/namespaces/a/pods/b/log", None),
            (alice, "GET /api/v1/namespaces/a/pods/b/log", Some(started)),
            (alice, "GET /api/v1/namespaces/a/pods/b", None),
            (
                alice,
                "GET /api/v1/namespaces/a/configmaps/b",
                Some(started),
            ),
            (alice, "GET /apis/apps/v1/deployments", Some(started)),
            (alice, "GET /apis/batch/v1/jobs", None),
        ] {
            assert_eq!(ruling(user, request), wanted, "{user:?} {request}");
        }
    }

    #[test]
    fn rules_that_ask_for_bodies_are_named() {
        let policy = Policy::parse(POLICY).unwrap();
        assert_eq!(policy.lowered().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_policy_that_cannot_be_kept_is_refused() {
        let head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";
        for (rest, wanted) in [
            ("rules: []", "no rules"),
            ("rules: [{level: Metdata}]", "Metdata"),
            ("rules: [{level: None, user: [a]}]", "user"),
            (
                "rules: [{level: None, namespaces: [a], nonResourceURLs: ['/a']}]",
                "rule 1",
            ),
        ] {
            let refused = Policy::parse(&format!("{head}{rest}"))
                .unwrap_err()
                .to_string();
            assert!(refused.contains(wanted), "{refused}");
        }
        let other = "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]";
        assert!(
            Policy::parse(other)
                .unwrap_err()
                .to_string()
                .contains("v1beta1")
        );
    }

    #[test]
    fn without_a_policy_everything_is_recorded() {
        let object = Object::read(&Method::GET, "/api/v1/pods", None, None);
        let ruling = Policy::everything().ruling(&User::default(), &object);
        let omitted = Omitted::default();
        assert_eq!(ruling, Ruling::Record { omitted });
    }
}
