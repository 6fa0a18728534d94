//! Whether the gateway's account has rights on clusters on which nobody acts as it. There it only has
//! to impersonate callers, and whoever gets hold of its token has whatever else it may do. Pure.

use crds::gateway::{ACCESS_RECORD, Fallback, Identity, IdentityType};

use crate::{
    kind::{Kind, ObjectKey},
    observed::Observed,
    plan::{Finding, access::account_of},
};

/// The reason if it has.
pub(super) const CAN_DO_MORE: &str = "AccountCanDoMore";
/// How many clusters are named at most.
const NAMED: usize = 5;

/// The condition.
pub(super) fn accounts(observed: &Observed) -> Finding {
    let finding = |holds, reason, message| Finding {
        kind: "AccountsMinimal",
        holds,
        reason,
        message,
    };
    let identity = observed.configuration().map(|it| &it.spec.identity);
    let identity = identity.cloned().unwrap_or_default();
    if identity.kind == IdentityType::ServiceAccount || identity.fallback == Fallback::Account {
        let message = "callers act as the gateway's account, so its rights are theirs";
        return finding(true, "CallersActAsAccount", message.to_owned());
    }
    let excessive = excessive(observed, &identity);
    match message(observed, &excessive) {
        None => finding(true, "NoneFound", String::new()),
        Some(message) => finding(false, CAN_DO_MORE, message),
    }
}

/// The clusters on which nobody acts as the account although it may do something, and what.
fn excessive<'a>(observed: &'a Observed, identity: &Identity) -> Vec<(&'a str, &'a [String])> {
    let is_idle = |cluster: &str| {
        let record = ObjectKey::new(Kind::ConfigMap, cluster, ACCESS_RECORD);
        identity.fallback == Fallback::Deny || observed.object(&record).is_some()
    };
    let seen = observed.gateways.iter().flatten();
    let rights =
        seen.map(|(cluster, seen)| (cluster.as_str(), seen.excess.as_deref().unwrap_or_default()));
    rights
        .filter(|(cluster, excess)| !excess.is_empty() && is_idle(cluster))
        .collect()
}

/// What to do about it. `None` if there is no such cluster.
fn message(observed: &Observed, excessive: &[(&str, &[String])]) -> Option<String> {
    let (first, _) = excessive.first()?;
    let named = excessive.iter().take(NAMED);
    let named: Vec<_> = named
        .map(|(cluster, excess)| format!("{cluster} ({})", excess.join("; ")))
        .collect();
    let more = match excessive.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more clusters"),
    };
    let account = account_of(observed, first);
    let account = account.and_then(|it| {
        Some(format!(
            "{}/{}",
            it["namespace"].as_str()?,
            it["name"].as_str()?
        ))
    });
    let account = account.map_or_else(
        || "the account of the cluster's Secret".to_owned(),
        |account| format!("ServiceAccount {account}"),
    );
    Some(format!(
        "nobody acts as the gateway's account on these clusters any more, but it can do more there than \
         impersonate callers: {}{more}; on each of them, delete what binds these rights to it: \
         `kubectl get clusterrolebindings,rolebindings -A -o wide` shows the bindings of {account}",
        named.join(", ")
    ))
}
