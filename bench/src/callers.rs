//! The callers. At a gateway's door it is an ordinary user whom the front proxy vouches for, so
//! that authorization is part of the path. At a hub it is the admin, and at the spoke it is the
//! gateway's own account.

use std::{fmt::Debug, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use e2e::{Cluster, Credentials, eventually};
use http::{HeaderName, header::AUTHORIZATION};
use http_body_util::BodyExt as _;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::{Api, api::PostParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    client::{Client, Get},
    way::Way,
};

const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
const USER: &str = "bench";
/// Another one, who sends more than is good for others.
pub(crate) const NOISY: &str = "noisy";
/// Flags of a gateway whose callers may send as fast as they can. The rates still cost what they cost.
pub(crate) const UNHURRIED: [&str; 2] = [
    "--requests-per-second-per-user=1000000",
    "--requests-per-second=1000000",
];
const SERVED_WITHIN: Duration = Duration::from_secs(20);
const TOKEN_TTL: Duration = Duration::from_hours(6);

/// The caller at the door of a gateway of `hub`, for a managed cluster.
pub(crate) fn at_the_door(
    url: &str,
    ca_pem: &str,
    hub: &Cluster,
    cluster: &str,
) -> anyhow::Result<Client> {
    at_the_door_as(USER, url, ca_pem, hub, cluster)
}

/// Any caller there.
pub(crate) fn at_the_door_as(
    name: &str,
    url: &str,
    ca_pem: &str,
    hub: &Cluster,
    cluster: &str,
) -> anyhow::Result<Client> {
    let (user, group) = ("x-remote-user", "x-remote-group");
    Client::new(url, ca_pem, Some(hub.front_proxy_client()))?
        .below(proxy_of(cluster))
        .header(HeaderName::from_static(user), name)?
        .header(HeaderName::from_static(group), "system:authenticated")
}

/// The caller at the API server of `hub`, for a managed cluster.
pub(crate) fn at_the_hub(hub: &Cluster, cluster: &str) -> anyhow::Result<Client> {
    let Credentials::Certificate(admin) = hub.admin() else {
        anyhow::bail!("the hub's admin has no certificate");
    };
    let client = Client::new(hub.url(), &hub.ca_pem(), Some(admin))?;
    Ok(client.below(proxy_of(cluster)))
}

/// The prefix of every path of a managed cluster, at the door and at the hub.
pub(crate) fn proxy_of(cluster: &str) -> String {
    format!("{GATEWAYS}/{cluster}/proxy")
}

/// The caller at the spoke itself, with a token of [`token`].
pub(crate) fn at_the_spoke(spoke: &Cluster, token: &str) -> anyhow::Result<Client> {
    Client::new(spoke.url(), &spoke.ca_pem(), None)?
        .header(AUTHORIZATION, &format!("Bearer {token}"))
}

/// A token of the account that the gateway has on a spoke.
pub(crate) async fn token(spoke: &Cluster) -> anyhow::Result<String> {
    let (namespace, name) = ("spokeway-system", "gateway");
    let granted = spoke.service_account_token(namespace, name, TOKEN_TTL);
    Ok(granted.await?)
}

/// Lets the ordinary users through the gateway of a hub.
pub(crate) async fn allow_user(hub: &Cluster) -> anyhow::Result<()> {
    let role = json!({
        "metadata": {"name": USER},
        "rules": [{
            "apiGroups": ["cluster.core.oam.dev"],
            "resources": ["clustergateways/proxy"],
            "verbs": ["*"],
        }],
    });
    create(&Api::<ClusterRole>::all(hub.client()), role).await?;
    let group = "rbac.authorization.k8s.io";
    let subject = |name| json!({"apiGroup": group, "kind": "User", "name": name});
    let binding = json!({
        "metadata": {"name": USER},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": USER},
        "subjects": [subject(USER), subject(NOISY)],
    });
    create(&Api::<ClusterRoleBinding>::all(hub.client()), binding).await
}

pub(crate) async fn create<K>(api: &Api<K>, object: Value) -> anyhow::Result<()>
where
    K: Clone + Debug + DeserializeOwned + Serialize,
{
    let object = serde_json::from_value(object)?;
    let created = api.create(&PostParams::default(), &object).await;
    created.map(drop).context("a cluster refused an object")
}

/// Waits until all callers get an answer, because a gateway learns of a spoke, and a hub of a new
/// role, a moment after they are written.
pub(crate) async fn all_answered(ways: &[Way<'_>]) -> anyhow::Result<()> {
    for way in ways {
        let request = way.client.get(way.upstream.small())?;
        let what = format!("{} through {}", way.upstream, way.path);
        eventually(SERVED_WITHIN, &what, || once(&way.client, &request)).await?;
    }
    Ok(())
}

/// One request on a connection of its own.
pub(crate) async fn once(client: &Client, request: &Get) -> anyhow::Result<Bytes> {
    let response = client.connect().await?.sender().send(request).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}
