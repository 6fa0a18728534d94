//! A hub that has `ManagedCluster`s, one spoke, and a gateway that derives clusters.

use std::time::Duration;

use crds::cluster::{ManagedCluster, ManagedClusterSpec};
use e2e::{Cluster, Credentials, Gateway, GatewayOptions, ON_LOOPBACK, World, eventually};
use http::{Method, Request};
use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret, ServiceAccount},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, CustomResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
    client::Body,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
pub(crate) const ACCOUNT: &str = "cluster-gateway";
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// The namespace of the account on the spoke.
const NAMESPACE: &str = "token-agent";
const TOKEN_TTL: Duration = Duration::from_hours(1);

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) gateway: Gateway,
}

impl Stage {
    pub(crate) async fn shared() -> &'static Self {
        static STAGE: OnceCell<Stage> = OnceCell::const_new();
        STAGE.get_or_init(|| Self::start(&[])).await
    }

    /// The options of a gateway with these additional flags.
    pub(crate) fn options(args: &[&str]) -> GatewayOptions {
        let own = format!("--managed-service-account={ACCOUNT}");
        let args = args.iter().map(|&arg| arg.to_owned());
        GatewayOptions {
            args: args.chain([own, ON_LOOPBACK.to_owned()]).collect(),
            ..GatewayOptions::default()
        }
    }

    /// Starts a World of its own, with a gateway of these flags.
    pub(crate) async fn start(args: &[&str]) -> Self {
        let world = World::builder().cluster("hub").bare_cluster("managed1");
        let world = world.start().await.unwrap();
        let options = Self::options(args);
        // It starts and becomes ready on a hub that does not have the kind yet.
        let gateway = Gateway::start(world.cluster("hub"), options).await.unwrap();
        apply::<CustomResourceDefinition>(
            &Api::all(world.cluster("hub").client()),
            "managedclusters.cluster.open-cluster-management.io",
            serde_json::to_value(ManagedCluster::crd()).unwrap(),
        )
        .await;
        Self { world, gateway }
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.world.cluster("managed1")
    }

    pub(crate) fn clusters(&self) -> Api<ManagedCluster> {
        Api::all(self.hub().client())
    }

    /// Registers the spoke under a name at these addresses, and accepts it, as registration would.
    pub(crate) async fn register(&self, name: &str, urls: &[&str]) {
        let bundle = ByteString(self.spoke().ca_pem().into_bytes());
        let configs = urls
            .iter()
            .map(|url| json!({"url": url, "caBundle": serde_json::to_value(&bundle).unwrap()}));
        let configs: Vec<_> = configs.collect();
        let spec = json!({"hubAcceptsClient": true, "managedClusterClientConfigs": configs});
        let _: ManagedClusterSpec = serde_json::from_value(spec.clone()).unwrap();
        let api = self.clusters();
        // The CRD is established a moment after it was applied.
        eventually(SOON, "ManagedClusters are served", || async {
            let body = json!({"spec": spec});
            try_apply(&api, name, body)
                .await
                .map_err(|it| it.to_string())
        })
        .await
        .unwrap();
        let namespaces = Api::<Namespace>::all(self.hub().client());
        apply(&namespaces, name, json!({})).await;
    }

    /// Writes a token of an account of the spoke where its agent would write it, and makes the
    /// account cluster-admin there.
    pub(crate) async fn project(&self, name: &str, account: &str) {
        let spoke = self.spoke();
        let token = spoke.service_account_token(NAMESPACE, account, TOKEN_TTL);
        let token = token.await.unwrap();
        let subject = json!({"kind": "ServiceAccount", "namespace": NAMESPACE, "name": account});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
        let binding = json!({"roleRef": role, "subjects": [subject]});
        let bindings = Api::<k8s_openapi::api::rbac::v1::ClusterRoleBinding>::all(spoke.client());
        apply(&bindings, &format!("{NAMESPACE}-{account}"), binding).await;
        self.write_token(name, &token).await;
    }

    async fn write_token(&self, name: &str, token: &str) {
        let label = "authentication.open-cluster-management.io/is-managed-serviceaccount";
        let body = json!({
            "metadata": {"labels": {label: "true"}},
            "stringData": {"token": token, "ca.crt": self.spoke().ca_pem()},
        });
        apply(&self.tokens(name), ACCOUNT, body).await;
    }

    /// Deletes the account with all its tokens.
    pub(crate) async fn revoke(&self, account: &str) {
        let accounts = Api::<ServiceAccount>::namespaced(self.spoke().client(), NAMESPACE);
        let deleted = accounts.delete(account, &DeleteParams::default()).await;
        deleted.unwrap();
    }

    /// Waits until the spoke no longer accepts the token in the cluster's Secret. Its API server
    /// caches valid tokens for a while.
    pub(crate) async fn spoke_rejects(&self, name: &str) {
        let secret = self.tokens(name).get(ACCOUNT).await.unwrap();
        let ByteString(token) = secret.data.unwrap().remove("token").unwrap();
        let token = Credentials::Token(String::from_utf8(token).unwrap());
        let client = self.spoke().client_with(&token);
        let rejects = || async {
            let request = Request::get("/api/v1/namespaces/default/configmaps");
            let request = request.body(Body::empty()).unwrap();
            match client.send(request).await.unwrap().status().as_u16() {
                401 => Ok(()),
                other => Err(other),
            }
        };
        eventually(SOON * 2, "the spoke rejects the token", rejects)
            .await
            .unwrap();
    }

    /// The Secrets in the cluster's namespace on the hub.
    pub(crate) fn tokens(&self, name: &str) -> Api<Secret> {
        Api::namespaced(self.hub().client(), name)
    }

    /// What `kubectl get clustergateway` shows of a cluster.
    pub(crate) async fn shown(&self, name: &str) -> String {
        let get = ["get", "clustergateway", name, "--no-headers"];
        let output = self.hub().kubectl(&get).run().await.unwrap();
        format!("{}{}", output.stdout, output.stderr)
    }

    /// GETs a path of a managed cluster through the hub, and returns status and body.
    pub(crate) async fn get(&self, name: &str, tail: &str) -> (u16, String) {
        let client = self.hub().client();
        let request = Request::get(proxy(name, tail)).body(Body::empty()).unwrap();
        read(client.send(request).await.unwrap()).await
    }

    /// Waits until a cluster gives this answer, and returns the whole answer.
    pub(crate) async fn answers(&self, name: &str, code: u16, words: &str) -> String {
        let wanted = format!("{name}: {code} {words}");
        let answers = || async {
            let (status, body) = self.get(name, "/api/v1/namespaces/default").await;
            if status == code && body.contains(words) {
                Ok(body)
            } else {
                Err(format!("{status} {body}"))
            }
        };
        eventually(SOON * 3, &wanted, answers).await.unwrap()
    }

    /// Waits until the list shows this for a cluster.
    pub(crate) async fn shows(&self, name: &str, words: &[&str]) -> String {
        let shows = || async {
            let row = self.shown(name).await;
            if words.iter().all(|word| row.contains(word)) {
                Ok(row)
            } else {
                Err(row)
            }
        };
        eventually(SOON, &words.join(" "), shows).await.unwrap()
    }

    /// The gateway's user name on the spoke.
    pub(crate) async fn account(&self, name: &str) -> String {
        let path = proxy(name, "/apis/authentication.k8s.io/v1/selfsubjectreviews");
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let request = Request::builder().method(Method::POST).uri(path);
        let request = request.header("content-type", "application/json");
        let request = request
            .body(review.to_string().into_bytes().into())
            .unwrap();
        let (_, body) = read(self.hub().client().send(request).await.unwrap()).await;
        let review: Value = serde_json::from_str(&body).unwrap();
        let user = review["status"]["userInfo"]["username"].as_str();
        user.unwrap_or(&body).to_owned()
    }
}

pub(crate) fn proxy(name: &str, tail: &str) -> String {
    format!("{GATEWAYS}/{name}/proxy{tail}")
}

pub(crate) async fn read(response: http::Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect_bytes().await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

pub(crate) async fn apply<K>(api: &Api<K>, name: &str, body: Value)
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    try_apply(api, name, body).await.unwrap();
}

async fn try_apply<K>(api: &Api<K>, name: &str, mut body: Value) -> kube::Result<()>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    body["apiVersion"] = K::api_version(&()).into();
    body["kind"] = K::kind(&()).into();
    body["metadata"]["name"] = name.into();
    let parameters = PatchParams::apply("e2e").force();
    api.patch(name, &parameters, &Patch::Apply(&body))
        .await
        .map(drop)
}
