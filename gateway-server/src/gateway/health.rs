//! The health of one cluster: as it is now, and as a caller reports it. All agents have one role, so the
//! gateway itself sees to it that each of them learns of its own cluster only, and no more than it
//! needs.

use crds::{
    ClusterName,
    cluster_core::{ClusterGateway, ClusterGatewayStatus},
};
use http::{HeaderValue, Request, Response, StatusCode, header::WARNING, request::Parts};
use hyper::body::Incoming;

use super::{Gateway, options, rendering, response};
use crate::{
    api::{self, accept::Shape, options::dry_run, own_health, rendering::Served},
    authentication::User,
    body::Body,
    clusters::{Absent, Keeper, Reportable},
    health::{Edit, Report, Target, WriteError, read},
    status::Refusal,
    tunnels::identity::speaks_for,
};

impl Gateway {
    /// The health of a cluster, as it is now.
    pub(super) async fn health(
        &self,
        head: &Parts,
        name: &ClusterName,
        caller: &User,
    ) -> Result<Response<Body>, Refusal> {
        let agent_of = self.agent_of(caller);
        if let Some(own) = agent_of.as_ref().filter(|own| *own != name) {
            let message =
                format!("an agent of {own} may not ask for the health of another cluster");
            return Err(forbidden(message).of_cluster(name));
        }
        self.clusters.probe(name).await;
        if agent_of.is_none() {
            return self.get::<ClusterGateway>(head, name);
        }
        let rendering = rendering(head, Shape::Single, &options(head)?)?;
        let shown = self.clusters.shown(name);
        let object = shown.map_err(|unshown| unshown.refusal(name))?;
        let object = own_health::for_agent(&object);
        Ok(response(head, &api::objects::single(&object, rendering)))
    }

    /// Keeps the health that a caller reports, and answers with it. An agent may not report any: what
    /// it can say of its cluster, the gateway sees itself.
    pub(super) async fn report_health(
        &self,
        request: Request<Incoming>,
        name: &ClusterName,
        caller: &User,
    ) -> Result<Response<Body>, Refusal> {
        if self.agent_of(caller).is_some() {
            let message = "an agent may not write the health of a cluster".to_owned();
            return Err(forbidden(message).of_cluster(name));
        }
        let (head, body) = request.into_parts();
        let refused = |error: crate::health::EditError| error.refusal(name);
        let edit = Edit::of(&head.method, &head.headers).map_err(refused)?;
        let dry_run = dry_run(head.uri.query()).map_err(refused)?;
        let rendering = rendering(&head, Shape::Single, &options(&head)?)?;
        let body = read(body).await.map_err(refused)?;
        let reportable = self.clusters.reportable(name)?;
        let shown = serde_json::to_value(Served::from(&*reportable.object))
            .expect("our documents have string keys and no fallible encoders");
        let report = edit.report(name, &shown, &body).map_err(refused)?;
        let conflict = reportable.conflicts(report.uid.as_deref(), report.revision);
        let written = if conflict {
            Err(WriteError::Conflict(format!("ClusterGateway {name}")))
        } else {
            self.write(name, &reportable, &report, dry_run).await
        };
        let written = written.map_err(|error| error.refusal(name))?;
        let echo = echo(&reportable.object, report, written);
        let mut answer = response(&head, &api::objects::single(&echo, rendering));
        if let Some(warning) = warning(&reportable) {
            answer.headers_mut().insert(WARNING, warning);
        }
        Ok(answer)
    }

    async fn write(
        &self,
        name: &ClusterName,
        reportable: &Reportable,
        report: &Report,
        dry_run: bool,
    ) -> Result<Option<String>, WriteError> {
        let Keeper::Secret { uid, revision } = &reportable.keeper else {
            return Ok(None);
        };
        let target = Target {
            cluster: name,
            uid: uid.as_deref(),
            revision: report.revision.map(|_| *revision),
        };
        self.health_notes.write(target, report, dry_run).await
    }

    /// The cluster that a caller is an agent of. A service account is one if its namespace is that of a
    /// cluster.
    fn agent_of(&self, caller: &User) -> Option<ClusterName> {
        let cluster = speaks_for(&caller.name)?;
        let is_account = caller.name.starts_with("system:serviceaccount:");
        let is_elsewhere =
            is_account && self.clusters.find(&cluster).err() == Some(Absent::Unknown);
        (!is_elsewhere).then_some(cluster)
    }
}

fn forbidden(message: String) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message)
}

/// The object with the health that was reported.
fn echo(shown: &ClusterGateway, report: Report, written: Option<String>) -> ClusterGateway {
    let mut echo = shown.clone();
    let version = echo.status.map(|status| status.kubernetes_version);
    echo.status = Some(ClusterGatewayStatus {
        healthy: report.healthy,
        healthy_reason: report.reason,
        kubernetes_version: version.unwrap_or_default(),
        ..ClusterGatewayStatus::default()
    });
    if written.is_some() {
        echo.metadata.resource_version = written;
    }
    echo
}

/// Says that the report will not be shown. kubectl prints it.
fn warning(reportable: &Reportable) -> Option<HeaderValue> {
    let text = match (&reportable.keeper, reportable.is_seen) {
        (Keeper::Nobody, _) => {
            "299 - \"the health is not kept: the gateway sees the health of this cluster itself\""
        }
        (Keeper::Secret { .. }, true) => {
            "299 - \"the health is kept, but not shown: the gateway sees the health of this cluster itself\""
        }
        (Keeper::Secret { .. }, false) => return None,
    };
    Some(HeaderValue::from_static(text))
}

#[cfg(test)]
mod tests;
