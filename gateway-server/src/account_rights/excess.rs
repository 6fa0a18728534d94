//! What an account may do beyond impersonating the callers of the gateway, by the rules that its API
//! server lists. Pure.

use crds::gateway::{GRANT_GROUP_PREFIX, USER_EXTRA};
use k8s_openapi::api::authorization::v1::{
    NonResourceRule, ResourceRule, SubjectRulesReviewStatus,
};
use kubernetes::words::plain;

/// How many rules are told.
const TOLD: usize = 3;
/// How many characters of a rule are told.
const LONGEST: usize = 160;

/// What every account of a cluster may do, in the API server's own policy: resources, and verbs.
const EVERYBODYS: [(&str, &str, &[&str]); 4] = [
    (
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        &["create"],
    ),
    (
        "authorization.k8s.io",
        "selfsubjectrulesreviews",
        &["create"],
    ),
    ("authentication.k8s.io", "selfsubjectreviews", &["create"]),
    (
        "certificates.k8s.io",
        "clustertrustbundles",
        &["get", "list", "watch"],
    ),
];
/// What everybody may read, with everything below.
const EVERYBODYS_PATHS: [&str; 9] = [
    "/api",
    "/apis",
    "/healthz",
    "/livez",
    "/openapi",
    "/readyz",
    "/version",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
];

/// The rights of the account beyond impersonation and beyond `everybodys`, in words, the most powerful
/// first.
pub(super) fn excess(
    account: &SubjectRulesReviewStatus,
    everybodys: &SubjectRulesReviewStatus,
) -> Vec<String> {
    let known = &everybodys.resource_rules;
    let resources = account.resource_rules.iter();
    let resources = resources.filter(|rule| !known.contains(rule));
    let known = &everybodys.non_resource_rules;
    let paths = account.non_resource_rules.iter();
    let paths = paths.filter(|rule| !known.contains(rule));
    let mut all: Vec<_> = resources
        .flat_map(of_resources)
        .chain(paths.filter_map(of_paths))
        .collect();
    all.sort();
    all.dedup();
    if all
        .first()
        .is_some_and(|(weight, _)| *weight == Weight::Everything)
    {
        all.truncate(1);
    }
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    let mut told: Vec<_> = all.into_iter().map(|(_, text)| text).collect();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told
}

/// How much a right is worth, the most first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Weight {
    Everything,
    AnyVerb,
    Other,
}

type Right = (Weight, String);

fn of_resources(rule: &ResourceRule) -> Vec<Right> {
    let groups = rule.api_groups.as_deref().unwrap_or_default();
    let names = rule.resource_names.as_deref().unwrap_or_default();
    let all = |list: &[String]| list.iter().any(|it| it == "*");
    let resources = rule.resources.as_deref().unwrap_or_default();
    if all(&rule.verbs) && all(groups) && all(resources) && names.is_empty() {
        return vec![(Weight::Everything, "everything".to_owned())];
    }
    let (takes, verbs): (Vec<_>, Vec<_>) =
        rule.verbs.iter().partition(|verb| *verb == "impersonate");
    let targets = groups.iter().flat_map(|group| {
        resources
            .iter()
            .map(move |it| (group.as_str(), it.as_str()))
    });
    let mut rights = Vec::new();
    let others: Vec<_> = targets
        .clone()
        .filter(|target| !is_everybodys(*target, &verbs))
        .collect();
    if !verbs.is_empty() && !others.is_empty() {
        let weight = if all(&rule.verbs) {
            Weight::AnyVerb
        } else {
            Weight::Other
        };
        let others: Vec<_> = others.into_iter().map(name).collect();
        rights.push(right(weight, &verbs, &others, names));
    }
    if !takes.is_empty() {
        rights.extend(targets.filter_map(|target| {
            let beyond = beyond_callers(target, names)?;
            Some(right(Weight::AnyVerb, &takes, &[name(target)], &beyond))
        }));
    }
    rights
}

fn is_everybodys((group, resource): (&str, &str), verbs: &[&String]) -> bool {
    EVERYBODYS
        .iter()
        .any(|(its_group, its_resource, its_verbs)| {
            group == *its_group
                && resource == *its_resource
                && verbs.iter().all(|verb| its_verbs.contains(&verb.as_str()))
        })
}

/// Whom the account may impersonate there although no grant needs it; empty for anybody. `None` if
/// that is nobody.
fn beyond_callers(target: (&str, &str), names: &[String]) -> Option<Vec<String>> {
    let may_be_needed = |name: &String| match target {
        ("", "users") => !name.starts_with("system:"),
        ("", "groups") => name.starts_with(GRANT_GROUP_PREFIX),
        _ => false,
    };
    let is_extra = |resource: &str| resource.strip_prefix("userextras/") == Some(USER_EXTRA);
    match target {
        ("authentication.k8s.io", resource) if is_extra(resource) => return None,
        _ if names.is_empty() => return Some(Vec::new()),
        _ => {}
    }
    let beyond: Vec<_> = names
        .iter()
        .filter(|name| !may_be_needed(name))
        .cloned()
        .collect();
    (!beyond.is_empty()).then_some(beyond)
}

fn of_paths(rule: &NonResourceRule) -> Option<Right> {
    let urls = rule.non_resource_urls.iter().flatten();
    let reads = rule
        .verbs
        .iter()
        .all(|verb| verb == "get" || verb == "head");
    let urls: Vec<_> = urls
        .filter(|url| !(reads && is_discovery(url)))
        .cloned()
        .collect();
    let verbs: Vec<_> = rule.verbs.iter().collect();
    (!urls.is_empty()).then(|| right(Weight::Other, &verbs, &urls, &[]))
}

fn is_discovery(url: &str) -> bool {
    let below = |path: &str| {
        url.strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    EVERYBODYS_PATHS.into_iter().any(below)
}

fn name((group, resource): (&str, &str)) -> String {
    match group {
        "" => resource.to_owned(),
        group => format!("{resource}.{group}"),
    }
}

fn right(weight: Weight, verbs: &[&String], what: &[String], names: &[String]) -> Right {
    let verbs: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
    let mut text = format!("{} {}", verbs.join(","), what.join(","));
    if !names.is_empty() {
        text.extend([" named ", &names.join(",")]);
    }
    (weight, plain(&text).chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests;
