//! The gateway's server if the operator runs it, as far as a hub without nodes can show, and the
//! configurations that the API server refuses.

use e2e::{Operator, World, ocm::Ocm};
use serde_json::json;

use super::hub::{kubectl, read, soon};

const NAMESPACE: &str = "spokeway-system";
const CONFIGURATION: &str = "\
apiVersion: gateway.open-cluster-management.io/v1alpha1
kind: GatewayConfiguration
metadata: {name: default}
spec: {}
";

/// Specs that the API server refuses, and what it says.
const NONSENSE: [(&str, &str); 12] = [
    ("{server: {deployment: External}}", "spec.server.external"),
    (
        "{limits: {tunnelMemory: 1}}",
        "should be greater than or equal to 8",
    ),
    (
        "{egress: {entrypoint: {type: Hostname}}}",
        "spec.egress.entrypoint.hostname",
    ),
    (
        "{server: {deployment: External, external: {caBundle: Y2E=}}, egress: {entrypoint: {type: LoadBalancer}}}",
        "the operator makes no load balancer for an External server",
    ),
    (
        "{credentials: {managedServiceAccount: {validity: 5m}}}",
        "at least 10m",
    ),
    (
        "{server: {namespace: open-cluster-management-credentials}}",
        "its own keys must be elsewhere",
    ),
    ("{server: {withdrawAfter: 1s}}", "at least 10s"),
    (
        "{egress: {exposedServices: [{namespace: web, name: shop, port: 443, protocol: HTTPS}]}}",
        "HTTPS does not work yet: name a port of the Service that serves plain HTTP",
    ),
    (
        "{clusters: {selector: {matchExpressions: [{key: env, operator: exists}]}}}",
        "Unsupported value: \"exists\"",
    ),
    (
        "{access: {caps: [{selector: {matchExpressions: [{key: env, operator: exists}]}}]}}",
        "Unsupported value: \"exists\"",
    ),
    (
        "{clusters: {selector: {matchExpressions: [{key: env, operator: In}]}}}",
        "In and NotIn need values",
    ),
    (
        "{clusters: {selector: {matchLabels: {\"a b\": prod}}}}",
        "keys that are keys of labels",
    ),
];

#[tokio::test]
async fn a_server_of_the_operators_has_its_place_only_while_it_answers() {
    let world = World::builder().cluster("hub").start().await.unwrap();
    let hub = world.cluster("hub");
    let _ocm = Ocm::start(hub).await.unwrap();
    Operator::install(hub).await.unwrap();
    let _operator = Operator::start(hub, "operator-1", &[]).await.unwrap();
    nonsense_is_refused(hub).await;
    hub.kubectl(&["apply", "-f", "-"])
        .stdin(CONFIGURATION.replace("{}", "{server: {withdrawAfter: 20s}}"))
        .ok()
        .await
        .unwrap();

    let objects = "deployment/spokeway-gateway,service/gateway,poddisruptionbudget/spokeway-gateway,secret/spokeway-gateway-serving,\
        service/spokeway-peers,secret/spokeway-peers,rolebinding/spokeway-gateway-peers";
    let get: Vec<_> = ["get", "-n", NAMESPACE]
        .into_iter()
        .chain(objects.split(','))
        .collect();
    soon("the server's objects", || kubectl(hub, &get)).await;
    runs_under_the_strictest_rules(hub).await;

    let withdrawn = || async { condition(hub, "GatewayAvailable", "Withdrawn").await };
    soon("a place in the API is not taken", withdrawn).await;
    let registered = ["get", "apiservice", "v1alpha1.cluster.core.oam.dev"];
    kubectl(hub, &registered).await.unwrap_err();
    an_outage(hub).await;
    endpoint(hub, true).await;
    soon("a place in the API again", || kubectl(hub, &registered)).await;
    verification_is_turned_on_again(hub).await;

    kubectl(hub, &["delete", "service", "gateway", "-n", NAMESPACE])
        .await
        .unwrap();
    kubectl(
        hub,
        &["delete", "secret", "spokeway-gateway-ca", "-n", NAMESPACE],
    )
    .await
    .unwrap();
    for kind in ["service/gateway", "secret/spokeway-gateway-ca"] {
        let get = ["get", "-n", NAMESPACE, kind];
        soon(kind, || kubectl(hub, &get)).await;
    }
    let delete = ["delete", "gatewayconfiguration", "default", "--timeout=30s"];
    kubectl(hub, &delete).await.unwrap();
    let left = kubectl(
        hub,
        &[
            "get",
            "deployments,services,secrets",
            "-n",
            NAMESPACE,
            "-o",
            "name",
        ],
    );
    assert_eq!(left.await.unwrap(), "");
}

/// Each message says what to change.
async fn nonsense_is_refused(hub: &e2e::Cluster) {
    let other = CONFIGURATION.replace("name: default", "name: other");
    let specs = NONSENSE.map(|(spec, message)| (CONFIGURATION.replace("{}", spec), message));
    for (change, message) in specs.into_iter().chain([(other, "name it default")]) {
        let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(change);
        let refused = apply.ok().await.unwrap_err().to_string();
        assert!(refused.contains(message), "{refused}");
    }
}

/// The API server's own check of a pod of the template in a namespace where only restricted pods
/// may run.
async fn runs_under_the_strictest_rules(hub: &e2e::Cluster) {
    let label = [
        "label",
        "namespace",
        NAMESPACE,
        "pod-security.kubernetes.io/enforce=restricted",
    ];
    kubectl(hub, &label).await.unwrap();
    let deployment = ["deployment", "spokeway-gateway", "-n", NAMESPACE];
    let deployment = read(hub, &deployment).await.unwrap();
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "gateway-1".into();
    pod["metadata"]["namespace"] = NAMESPACE.into();
    let create = hub
        .kubectl(&["create", "--dry-run=server", "-f", "-"])
        .stdin(pod.to_string());
    create.ok().await.unwrap();
}

/// A gateway that comes and goes away for longer than `withdrawAfter`.
async fn an_outage(hub: &e2e::Cluster) {
    let registered = ["get", "apiservice", "v1alpha1.cluster.core.oam.dev"];
    endpoint(hub, true).await;
    soon("a place in the API", || kubectl(hub, &registered)).await;
    endpoint(hub, false).await;
    let unready = || async { condition(hub, "GatewayAvailable", "Unready").await };
    soon("a gateway that is away is missed", unready).await;
    let cluster = [
        "get",
        "--raw",
        "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy/api",
    ];
    let away = kubectl(hub, &cluster).await.unwrap_err();
    assert!(away.contains("ServiceUnavailable"), "{away}");
    let gone = || async { kubectl(hub, &registered).await.map_or_else(Ok, Err) };
    soon("the place is given up", gone).await;
    let withdrawn = || async { condition(hub, "GatewayAvailable", "Withdrawn").await };
    soon("and that is said", withdrawn).await;
    let absent = || async { not_found(kubectl(hub, &cluster).await) };
    soon("its paths are gone", absent).await;
}

fn not_found(answer: Result<String, String>) -> Result<(), String> {
    match answer {
        Err(error) if error.contains("NotFound") => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

async fn verification_is_turned_on_again(hub: &e2e::Cluster) {
    let service = ["apiservice", "v1alpha1.cluster.core.oam.dev"];
    let off = r#"{"spec": {"insecureSkipTLSVerify": true, "caBundle": null}}"#;
    let patch = [&["patch"], &service[..], &["--type=merge", "-p", off]].concat();
    kubectl(hub, &patch).await.unwrap();
    let verifies = || async {
        let spec = read(hub, &service).await?["spec"].clone();
        let verifies = spec["insecureSkipTLSVerify"] != true && spec["caBundle"].is_string();
        if verifies {
            Ok(())
        } else {
            Err(spec.to_string())
        }
    };
    soon("the hub verifies the gateway again", verifies).await;
}

async fn endpoint(hub: &e2e::Cluster, ready: bool) {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": "gateway-1", "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": "gateway"},
        },
        "ports": [{"name": "https", "port": 9443, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["198.51.100.7"], "conditions": {"ready": ready}}],
    });
    let apply = hub
        .kubectl(&["apply", "--server-side", "-f", "-"])
        .stdin(slice.to_string());
    apply.ok().await.unwrap();
}

pub(crate) async fn condition(hub: &e2e::Cluster, kind: &str, reason: &str) -> Result<(), String> {
    let path = format!("jsonpath={{.status.conditions[?(@.type==\"{kind}\")].reason}}");
    let get = ["get", "gatewayconfiguration", "default", "-o", &path];
    let found = kubectl(hub, &get).await?;
    if found == reason { Ok(()) } else { Err(found) }
}
