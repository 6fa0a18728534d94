//! The conditions of the configuration: Available, Progressing, Degraded, and one per component.

use crds::gateway::GatewayConfigurationSpec;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value;

use super::clusters::Survey;
use crate::{
    addon::Addon,
    guard::Policy,
    key::Key,
    kind::{Kind, ObjectKey},
    names::API_SERVICE,
    observed::{Configuration, Fault, Observed},
    plan::{
        self, Finding,
        entrance::Entrance,
        hub::{Publication, foreign, publication, withheld},
    },
};

/// The reason for clusters that have been not ready for a short time only.
const JOINING: &str = "Joining";

pub(super) fn conditions(
    observed: &Observed,
    configuration: &Configuration,
    survey: &Survey,
    removals: Finding,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Value> {
    let gateway = gateway(observed, now);
    let clusters = clusters(survey, now);
    let progressing = progressing(survey, &clusters);
    let available = Finding {
        kind: "Available",
        ..gateway.clone()
    };
    let components = [
        gateway,
        rights(observed, &configuration.spec),
        installed(observed),
        addons(observed),
        entrypoint(observed, &configuration.spec, now),
        clusters,
        grants(observed),
        identity(observed),
        agents(observed),
        removals,
    ];
    let degraded = degraded(&components);
    let all = [available, progressing, degraded]
        .into_iter()
        .chain(components);
    all.map(|finding| finding.condition(before, now)).collect()
}

/// The first component that does not work. While clusters are joining, that alone is progress.
fn degraded(components: &[Finding]) -> Finding {
    let mut broken = components.iter().filter(|it| !it.holds);
    match broken.find(|it| it.reason != JOINING) {
        Some(broken) => Finding {
            kind: "Degraded",
            holds: true,
            ..broken.clone()
        },
        None => as_expected("Degraded"),
    }
}

fn progressing(survey: &Survey, clusters: &Finding) -> Finding {
    if survey.unready > 0 && clusters.reason == JOINING {
        Finding {
            kind: "Progressing",
            holds: true,
            ..clusters.clone()
        }
    } else {
        as_expected("Progressing")
    }
}

fn as_expected(kind: &'static str) -> Finding {
    Finding {
        kind,
        holds: false,
        reason: "AsExpected",
        message: String::new(),
    }
}

/// A constructor of findings with one type: it takes the status, the reason and the message.
fn finding(kind: &'static str) -> impl Fn(bool, &'static str, String) -> Finding {
    move |holds, reason, message| Finding {
        kind,
        holds,
        reason,
        message,
    }
}

/// Whether the gateway's API is served.
fn gateway(observed: &Observed, now: Timestamp) -> Finding {
    let finding = finding("GatewayAvailable");
    match publication(observed, now) {
        Publication::Wanted => match aggregated(observed) {
            Some(fault) => finding(false, "NotAggregated", fault),
            None => finding(true, "Served", "the hub serves clustergateways".to_owned()),
        },
        Publication::Kept { why, .. } => {
            let message = format!(
                "the gateway is not ready at the moment: {why}; requests for managed clusters get 503, and if this \
                 lasts for longer than spec.server.withdrawAfter, its APIService is withdrawn"
            );
            finding(false, "Unready", message)
        }
        Publication::Withdrawn { why } => {
            let message =
                format!("the gateway is not ready: {why}; its APIService is withdrawn until the gateway answers");
            finding(false, "Withdrawn", message)
        }
        Publication::Foreign => finding(
            false,
            "ForeignAPIService",
            "the APIService of clustergateways belongs to somebody else; delete it, and the operator creates its own"
                .to_owned(),
        ),
    }
}

/// What the hub's aggregator reports against it.
fn aggregated(observed: &Observed) -> Option<String> {
    let key = ObjectKey::global(Kind::APIService, API_SERVICE);
    let Some(object) = observed.object(&key) else {
        return Some("the APIService does not exist yet".to_owned());
    };
    let conditions: Vec<Value> = object
        .data
        .get("status")
        .and_then(|status| status["conditions"].as_array().cloned())?;
    let available = conditions.iter().find(|it| it["type"] == "Available")?;
    let holds = available["status"] == "True";
    (!holds).then(|| available["message"].as_str().unwrap_or_default().to_owned())
}

/// Whether the gateway gets what the configuration asks for.
fn rights(observed: &Observed, spec: &GatewayConfigurationSpec) -> Finding {
    let finding = finding("GatewayAllowed");
    if let Some(withheld) = withheld(observed, spec) {
        return finding(false, withheld.reason(), withheld.to_string());
    }
    match observed.guard(Policy::Servers).fault(Policy::Servers) {
        None => finding(true, "AsAsked", String::new()),
        Some(fault) => {
            let message = format!(
                "everybody who may write the GatewayConfiguration may send callers to a server of their own: {fault}"
            );
            finding(false, "PolicyMissing", message)
        }
    }
}

/// Whether the objects of the gateway on the hub are as they are supposed to be.
fn installed(observed: &Observed) -> Finding {
    let finding = finding("GatewayInstalled");
    let fault = observed.faults.get(&Key::Hub).filter(|it| !is_of_addon(it));
    match fault {
        None => finding(true, "Installed", String::new()),
        Some(fault) => finding(false, fault.reason, failing(fault)),
    }
}

fn is_of_addon(fault: &Fault) -> bool {
    fault.object.kind == Kind::ClusterManagementAddOn
}

fn failing(fault: &Fault) -> String {
    format!("failing since {:.0}: {}", fault.since, fault.message)
}

/// Whether the add-ons are the operator's.
fn addons(observed: &Observed) -> Finding {
    let finding = finding("AddOnsAvailable");
    let fault = observed.faults.get(&Key::Hub);
    if let Some(fault) = fault.filter(|it| is_of_addon(it)) {
        return finding(false, fault.reason, failing(fault));
    }
    let foreign = foreign(observed);
    if foreign.contains(&Addon::Gateway) {
        let message = foreign_message(Addon::Gateway).to_owned();
        return finding(false, "ForeignAddOn", message);
    }
    if foreign.is_empty() {
        let message = "the operator manages all add-ons".to_owned();
        return finding(true, "Installed", message);
    }
    let messages: Vec<_> = foreign.into_iter().map(foreign_message).collect();
    finding(true, "ForeignAddOnUsed", messages.join("; "))
}

/// The consequence if somebody else has the add-on.
fn foreign_message(addon: Addon) -> &'static str {
    match addon {
        Addon::Gateway => {
            "the add-on cluster-gateway belongs to somebody else; delete its ClusterManagementAddOn, and the \
             operator creates its own"
        }
        Addon::Proxy => {
            "the add-on cluster-proxy belongs to somebody else and is not changed; Spokeway's agents keep \
             their own tunnels"
        }
        Addon::Accounts => {
            "the add-on managed-serviceaccount belongs to somebody else; its agents issue the tokens on \
             clusters where it is enabled"
        }
    }
}

/// Whether agents can attach where the configuration says.
fn entrypoint(observed: &Observed, spec: &GatewayConfigurationSpec, now: Timestamp) -> Finding {
    let finding = finding("EntrypointReady");
    let at_hub = "agents attach at the hub's API server";
    match Entrance::of(observed, spec, now) {
        Entrance::Hub => finding(true, "HubAPI", at_hub.to_owned()),
        Entrance::Pending { why } => {
            let message = format!("{why}; until then {at_hub}");
            finding(false, "EntrypointPending", message)
        }
        Entrance::Own(address) => finding(true, "AsAsked", format!("agents attach at {address}")),
    }
}

/// Whether the clusters are ready.
fn clusters(survey: &Survey, now: Timestamp) -> Finding {
    let finding = finding("ClustersReady");
    let (ready, total) = (survey.counts.ready, survey.counts.total);
    let Some(first) = survey.troubled.first() else {
        return finding(
            true,
            "Ready",
            format!("{ready} of {total} clusters are ready"),
        );
    };
    let message = format!(
        "{ready} of {total} clusters are ready; {}: {}",
        first.name, first.message
    );
    if survey.is_troubled(now) {
        finding(false, "ClustersInTrouble", message)
    } else {
        finding(false, JOINING, message)
    }
}

/// Whether the gateway server decides who callers are as the configuration says.
fn identity(observed: &Observed) -> Finding {
    let finding = finding("IdentityAsConfigured");
    match plan::identity::mismatch(observed) {
        None => finding(true, "AsConfigured", String::new()),
        Some(why) => finding(false, "ServerDiffers", why),
    }
}

/// Whether the hub checks who may grant.
fn grants(observed: &Observed) -> Finding {
    let finding = finding("GrantsGuarded");
    match observed.guard(Policy::Grants).fault(Policy::Grants) {
        None => finding(true, "PolicyInForce", String::new()),
        Some(fault) => {
            let message =
                format!("nobody judges who may grant, so new grants are held back: {fault}");
            finding(false, "PolicyMissing", message)
        }
    }
}

/// Whether the hub checks which Secrets agents write.
fn agents(observed: &Observed) -> Finding {
    let finding = finding("AgentsGuarded");
    match observed.guard(Policy::Agents).fault(Policy::Agents) {
        None => finding(true, "PolicyInForce", String::new()),
        Some(fault) => {
            let message = format!("no agent gets rights on Secrets of the hub: {fault}");
            finding(false, "PolicyMissing", message)
        }
    }
}
