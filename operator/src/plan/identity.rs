//! Who callers are on managed clusters, and whether the hub's RBAC decides what they may do there: the
//! gateway server's flags, and whether a server that somebody else runs does as configured.

use crds::gateway::{Fallback, Identity, IdentityType, ServerDeployment};

use crate::observed::{Observed, ServerSeen};

/// The flags by which the server does as configured.
pub(super) fn arguments(identity: &Identity, inner_authorization: bool) -> Vec<String> {
    let mut arguments = of_identity(identity);
    arguments.extend(inner_authorization.then(|| "--inner-authorization".to_owned()));
    arguments
}

fn of_identity(identity: &Identity) -> Vec<String> {
    if identity.kind == IdentityType::ServiceAccount {
        return vec!["--identity=service-account".to_owned()];
    }
    let fallback = match identity.fallback {
        Fallback::Auto => "auto",
        Fallback::Account => "account",
        Fallback::Deny => "deny",
    };
    vec![
        "--identity=impersonate".to_owned(),
        format!("--user-prefix={}", identity.prefix().as_str()),
        format!("--fallback={fallback}"),
    ]
}

/// What is wrong if the running server does not do as configured. `None` as well if the server has
/// not answered, or if the operator runs it.
pub(super) fn mismatch(observed: &Observed) -> Option<String> {
    let ServerSeen::Ready(settings) = &observed.server else {
        return None;
    };
    let spec = &observed.configuration()?.spec;
    if spec.server.deployment != ServerDeployment::External {
        return None;
    }
    let wanted = arguments(&spec.identity, spec.access.inner_authorization.enabled);
    let seen = settings
        .as_ref()
        .map(|it| arguments(&it.identity, it.inner_authorization));
    if seen.as_ref() == Some(&wanted) {
        return None;
    }
    let runs = seen.map_or_else(
        || "does not say who callers are on managed clusters".to_owned(),
        |seen| format!("runs with {}", seen.join(" ")),
    );
    Some(format!(
        "the gateway server {runs}, but spec.identity and spec.access.innerAuthorization of the GatewayConfiguration \
         require {}; restart it with exactly these flags, or change the configuration",
        wanted.join(" ")
    ))
}
