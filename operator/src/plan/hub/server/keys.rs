//! The server's certificate, and the authorities that sign it.

use crds::gateway::{GatewayConfigurationSpec, SINGLETON};
use jiff::Timestamp;
use k8s_openapi::ByteString;

use crate::{
    kind::{Kind, ObjectKey},
    names::{AUTHORITY, SERVICE, SERVING},
    object::is_ours,
    observed::Observed,
    plan::{
        Action, Plan, entrance,
        hub::api_service,
        pki::{Authorities, Issue, first, leaf_is_good_until},
    },
};

/// Plans both Secrets, and returns the bundle to trust.
pub(super) fn plan(
    observed: &Observed,
    spec: &GatewayConfigurationSpec,
    now: Timestamp,
    plan: &mut Plan,
) -> Option<String> {
    let namespace = &spec.server.namespace;
    let [authority, serving] = keys(namespace);
    let trusted = trusted(observed);
    let found = observed.object(&authority);
    let is_lost = found.is_none_or(|secret| Authorities::read(secret, now).is_none());
    if is_lost && trusted.is_some() {
        say_that_it_is_lost(observed, plan);
    }
    let authorities = authorities(observed, &authority, trusted.as_deref(), now, plan)?;
    let mut names = names(namespace);
    names.extend(entrance::hosts(observed, spec));
    if let Some((host, _)) = spec.server.direct_address()
        && !names.contains(&host)
    {
        names.push(host);
    }
    let signer = authorities.signer();
    let found = observed.object(&serving);
    match found.and_then(|secret| leaf_is_good_until(secret, signer, &names, now)) {
        Some(look_again) => plan.wake_at(look_again),
        // The `APIService` must trust the signer first. The same plan writes that.
        None if !trusted.is_none_or(|it| it.contains(&signer.certificate)) => {}
        None => plan.actions.push(Action::Issue {
            key: serving,
            issue: Issue::Leaf {
                signer: signer.clone(),
                names,
            },
        }),
    }
    Some(authorities.bundle())
}

/// Plans the authorities in a Secret, and returns those that it has now. `trusted` is the bundle
/// that verifiers trust now, if any.
pub(super) fn authorities(
    observed: &Observed,
    key: &ObjectKey,
    trusted: Option<&str>,
    now: Timestamp,
    plan: &mut Plan,
) -> Option<Authorities> {
    let found = observed.object(key);
    let authorities = found.and_then(|secret| Authorities::read(secret, now));
    let issue = match &authorities {
        None => Some(first(trusted, now)),
        Some(authorities) => match authorities.next(trusted, now) {
            Ok(look_again) => {
                plan.wake_at(look_again);
                None
            }
            Err(issue) => Some(issue),
        },
    };
    plan.actions.extend(issue.map(|issue| Action::Issue {
        key: key.clone(),
        issue,
    }));
    authorities
}

fn say_that_it_is_lost(observed: &Observed, plan: &mut Plan) {
    let key = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    if let Some(object) = observed.object(&key) {
        let text = "the CA of the gateway's certificate was lost or has expired; the operator creates a \
                    new one, and CA certificates that are still valid stay trusted";
        plan.warn(&key, object, "AuthorityReplaced", text.to_owned());
    }
}

pub(super) fn keys(namespace: &str) -> [ObjectKey; 2] {
    [AUTHORITY, SERVING].map(|name| ObjectKey::new(Kind::Secret, namespace, name))
}

/// The names by which the hub's API server calls the gateway, the most specific first.
fn names(namespace: &str) -> Vec<String> {
    vec![
        format!("{SERVICE}.{namespace}.svc"),
        format!("{SERVICE}.{namespace}"),
        SERVICE.to_owned(),
    ]
}

/// The bundle that the hub's aggregator trusts now.
fn trusted(observed: &Observed) -> Option<String> {
    let object = observed
        .object(&api_service::key())
        .filter(|it| is_ours(it))?;
    let bundle = object.data["spec"]["caBundle"].clone();
    let ByteString(bundle) = serde_json::from_value(bundle).ok()?;
    String::from_utf8(bundle).ok()
}
