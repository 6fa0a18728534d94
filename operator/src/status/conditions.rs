//! The conditions of the configuration: Available, Progressing, Degraded, and one per component.

use crds::gateway::GatewayConfigurationSpec;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value;

use super::clusters::Survey;
use crate::{
    access,
    entrance::Entrance,
    hub::{Registration, foreign, registration},
    kind::{Kind, ObjectKey},
    names::{ACCESS_POLICY, API_SERVICE, GATEWAY, PROXY},
    observed::{Configuration, Observed},
    plan::condition,
    queue::Key,
};

/// Type, whether it holds, reason and message.
type Said = (&'static str, bool, &'static str, String);

pub(super) fn conditions(
    observed: &Observed,
    configuration: &Configuration,
    survey: &Survey,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Value> {
    let gateway = gateway(observed, now);
    let addons = addons(observed);
    let entrypoint = entrypoint(observed, &configuration.spec, now);
    let agents = agents(survey, now);
    let grants = grants(observed);
    let components = [&gateway, &addons, &entrypoint, &agents, &grants];
    let broken: Vec<_> = components.into_iter().filter(|said| !said.1).collect();
    let degraded = match broken.first() {
        // Clusters that join are progress.
        Some((_, _, "Joining", _)) | None => ("Degraded", false, "AsExpected", String::new()),
        Some((_, _, reason, message)) => ("Degraded", true, *reason, message.clone()),
    };
    let progressing = if survey.unready > 0 && agents.2 == "Joining" {
        ("Progressing", true, "Joining", agents.3.clone())
    } else {
        ("Progressing", false, "AsExpected", String::new())
    };
    let available = ("Available", gateway.1, gateway.2, gateway.3.clone());
    let all = [
        available,
        progressing,
        degraded,
        gateway,
        addons,
        entrypoint,
        agents,
        grants,
    ];
    let all = all.into_iter().map(|(kind, holds, reason, message)| {
        condition(before, (kind, holds), reason, &message, now)
    });
    all.collect()
}

/// Is the gateway's API served?
fn gateway(observed: &Observed, now: Timestamp) -> Said {
    let said = |holds, reason, message| ("GatewayAvailable", holds, reason, message);
    match registration(observed, now) {
        Registration::Wanted => match aggregated(observed) {
            Some(fault) => said(false, "NotAggregated", fault),
            None => said(true, "Served", "the hub serves clustergateways".to_owned()),
        },
        Registration::Kept { why, .. } => {
            let message = format!("no gateway answers for the moment: {why}");
            said(false, "Unready", message)
        }
        Registration::Withdrawn { why } => {
            let message =
                format!("no gateway answers, so its APIService is withdrawn until one does: {why}");
            said(false, "Withdrawn", message)
        }
        Registration::Foreign => said(
            false,
            "ForeignAPIService",
            "the APIService of clustergateways is somebody else's; delete it, and it is made anew"
                .to_owned(),
        ),
    }
}

/// What the hub's aggregator says against it.
fn aggregated(observed: &Observed) -> Option<String> {
    let key = ObjectKey::global(Kind::ApiService, API_SERVICE);
    let Some(object) = observed.object(&key) else {
        return Some("the APIService is not there yet".to_owned());
    };
    let conditions: Vec<Value> = object
        .data
        .get("status")
        .and_then(|status| status["conditions"].as_array().cloned())?;
    let available = conditions.iter().find(|it| it["type"] == "Available")?;
    let holds = available["status"] == "True";
    (!holds).then(|| available["message"].as_str().unwrap_or_default().to_owned())
}

/// Are the add-ons ours?
fn addons(observed: &Observed) -> Said {
    let said = |holds, reason, message| ("AddOnsAvailable", holds, reason, message);
    if let Some(fault) = observed.faults.get(&Key::Hub) {
        let since = format!("{:.0}", fault.since);
        return said(
            false,
            fault.reason,
            format!("since {since}: {}", fault.message),
        );
    }
    let foreign = foreign(observed);
    if foreign.contains(&GATEWAY) {
        let message = format!(
            "the add-on {GATEWAY} is somebody else's; delete its ClusterManagementAddOn, and it is made anew"
        );
        return said(false, "ForeignAddOn", message);
    }
    if foreign.is_empty() {
        return said(true, "Installed", "all add-ons are ours".to_owned());
    }
    let each = foreign.iter().map(|addon| match *addon {
        PROXY => "cluster-proxy is somebody else's and left alone; our agents keep tunnels of their own beside it",
        _ => "managed-serviceaccount is somebody else's; its agents issue the tokens where it has a row",
    });
    let message = each.collect::<Vec<_>>().join("; ");
    said(true, "ForeignAddOnUsed", message)
}

/// Can agents attach where they are to?
fn entrypoint(observed: &Observed, spec: &GatewayConfigurationSpec, now: Timestamp) -> Said {
    let said = |holds, reason, message| ("EntrypointReady", holds, reason, message);
    let at_hub = "agents attach at the hub's API server";
    match Entrance::of(observed, spec, now) {
        Entrance::Hub => said(true, "HubAPI", at_hub.to_owned()),
        Entrance::Pending { why } => {
            let message = format!("{why}; until then {at_hub}");
            said(false, "EntrypointPending", message)
        }
        Entrance::Own(address) => said(true, "AsAsked", format!("agents attach at {address}")),
    }
}

/// Are the clusters ready?
fn agents(survey: &Survey, now: Timestamp) -> Said {
    let said = |holds, reason, message| ("ClustersReady", holds, reason, message);
    let (ready, total) = (survey.counts.ready, survey.counts.total);
    let Some(first) = survey.troubled.first() else {
        return said(
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
        said(false, "ClustersInTrouble", message)
    } else {
        said(false, "Joining", message)
    }
}

/// Does the hub judge who may grant?
fn grants(observed: &Observed) -> Said {
    let said = |holds, reason, message| ("GrantsGuarded", holds, reason, message);
    if access::is_guarded(observed) {
        return said(true, "PolicyInForce", String::new());
    }
    let message = format!(
        "the ValidatingAdmissionPolicy {ACCESS_POLICY} or its binding is missing: whoever may write AccessGrants \
         may grant anything on any cluster; apply config/operator/access-policy.yaml again"
    );
    said(false, "PolicyMissing", message)
}
