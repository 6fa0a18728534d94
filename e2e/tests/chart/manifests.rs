//! The chart and the plain manifests are the same objects.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::stage::{RELEASE, Stage};

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/default");
const NAMESPACE: &str = "spokeway-system";

/// Objects by kind and name.
pub(crate) fn objects(text: &str) -> BTreeMap<(String, String), Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let all = all.into_iter().filter(|object| !object.is_null());
    let name = |object: &Value, pointer| {
        object
            .pointer(pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    all.map(|it| ((name(&it, "/kind"), name(&it, "/metadata/name")), it))
        .collect()
}

#[tokio::test]
async fn the_chart_is_the_plain_manifests_but_for_the_namespace() {
    let stage = Stage::set().await;
    // That helm keeps some of the kinds is of no concern to anybody else.
    let chart = stage.helm("template", NAMESPACE, &["--set=crds.keep=false"]);
    let chart = chart.await;
    // The chart is formatted by kustomize as well, because kustomize formats everything in its own
    // way.
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("chart.yaml"), chart.unwrap()).unwrap();
    let kustomization = "resources: [chart.yaml]";
    fs::write(directory.path().join("kustomization.yaml"), kustomization).unwrap();
    let directory = directory.path().display().to_string();
    let chart = objects(&stage.kubectl(&["kustomize", &directory]).await.unwrap());

    let plain = stage.kubectl(&["kustomize", DEFAULT]).await.unwrap();
    let mut plain = objects(&plain);
    let namespace = ("Namespace".to_owned(), NAMESPACE.to_owned());
    assert!(plain.remove(&namespace).is_some());
    let names = |objects: &BTreeMap<_, _>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&chart), names(&plain));
    for (name, object) in &chart {
        assert!(*object == plain[name], "{name:?} differs");
    }
}

#[tokio::test]
async fn the_plain_manifests_and_the_sample_are_taken_by_an_api_server() {
    let stage = Stage::set().await;
    let apply = ["apply", "--server-side", "-k", DEFAULT];
    stage.kubectl(&apply).await.unwrap();
    let served = ["wait", "--for=condition=Established", "crd", "--all"];
    stage.kubectl(&served).await.unwrap();
    let sample = Path::new(DEFAULT).join("../samples/gatewayconfiguration.yaml");
    let sample = sample.display().to_string();
    stage.kubectl(&["apply", "-f", &sample]).await.unwrap();
    let sampled = stage.configuration().await["spec"].clone();

    // The chart's spec means the same as an empty spec.
    let empty = r#"{"apiVersion": "gateway.open-cluster-management.io/v1alpha1",
        "kind": "GatewayConfiguration", "metadata": {"name": "default"}, "spec": {}}"#;
    let delete = ["delete", "gatewayconfiguration", "default"];
    stage.kubectl(&delete).await.unwrap();
    let apply = stage.hub().kubectl(&["apply", "-f", "-"]).stdin(empty);
    apply.ok().await.unwrap();
    assert_eq!(sampled, stage.configuration().await["spec"]);
}

#[tokio::test]
async fn images_and_versions_are_those_of_this_release() {
    let stage = Stage::set().await;
    let values = ["--set=images.registry=local:5000/x", "--set=images.tag=dev"];
    let args = ["--show-only=templates/operator.yaml"];
    let elsewhere = stage
        .helm("template", "gateway", &[args.as_slice(), &values].concat())
        .await
        .unwrap();
    let here = stage.helm("template", "gateway", &args).await.unwrap();
    for program in images::PROGRAMS {
        let name = images::name(images::REGISTRY, program);
        assert_eq!(here.matches(&name).count(), 1, "{program}");
        let name = format!("local:5000/x/{program}:dev");
        assert_eq!(elsewhere.matches(&name).count(), 1, "{program}");
    }
    assert!(!elsewhere.contains("ghcr.io"), "{elsewhere}");
}

/// The values that are written beside the images are those that the chart takes.
#[tokio::test]
async fn with_their_digests_exactly_these_images_run() {
    let stage = Stage::set().await;
    let digit = |program: &str| program.len() % 10;
    let digest = |program: &str| format!("sha256:{}", digit(program).to_string().repeat(64));
    let digests = images::PROGRAMS.map(|program| (program, digest(program)));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("digests.yaml");
    fs::write(&file, images::chart_values(&digests)).unwrap();
    let values = format!("--values={}", file.display());
    let args = [&values, "--set=images.registry=local:5000/x"];
    let all = objects(&stage.helm("template", "gateway", &args).await.unwrap());
    let image = |program: &str| {
        let name = images::name("local:5000/x", program);
        format!("{name}@{}", digest(program))
    };
    let deployment = &all[&("Deployment".to_owned(), "spokeway-operator".to_owned())];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], image("operator"));
    let variables = container["env"].as_array().unwrap();
    let variable = |name: &str| {
        let variable = variables.iter().find(|it| it["name"] == name);
        variable.unwrap()["value"].clone()
    };
    assert_eq!(variable("OPERATOR_AGENT_IMAGE"), image("agent"));
    assert_eq!(variable("OPERATOR_GATEWAY_IMAGE"), image("gateway-server"));

    let one = format!("--set=images.digests.agent={}", digest("agent"));
    let rendered = stage.helm("template", "gateway", &[&one]).await.unwrap();
    assert_eq!(rendered.matches("@sha256:").count(), 1, "{rendered}");
}

#[tokio::test]
async fn network_policies_leave_open_only_what_strangers_need() {
    let stage = Stage::set().await;
    let rendered = stage.helm("template", "gateway", &[]).await.unwrap();
    let all = objects(&rendered);
    let gateway = &all[&("NetworkPolicy".to_owned(), "spokeway-gateway".to_owned())]["spec"];
    let operator = &all[&("NetworkPolicy".to_owned(), "spokeway-operator".to_owned())]["spec"];
    let selected = |spec: &Value| spec["podSelector"]["matchLabels"].clone();
    let name = |name| serde_json::json!({"app.kubernetes.io/name": name});
    assert_eq!(selected(gateway), name("spokeway-gateway"));
    assert_eq!(selected(operator), name("spokeway-operator"));
    let open = |spec: &Value| {
        let rules = spec["ingress"].as_array().unwrap().clone();
        let open = rules.into_iter().filter(|rule| rule.get("from").is_none());
        let ports = open.flat_map(|rule| rule["ports"].as_array().unwrap().clone());
        ports
            .map(|it| it["port"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    // The hub's API servers and agents come from addresses that nobody knows here.
    assert_eq!(open(gateway), [9443, 9444]);
    assert!(open(operator).is_empty());
    let off = ["--set=networkPolicies.create=false"];
    let without = stage.helm("template", "gateway", &off).await.unwrap();
    assert!(!without.contains("NetworkPolicy"));
}

#[tokio::test]
async fn what_is_said_of_pods_is_said_of_the_operators_and_of_those_of_the_uninstall() {
    let stage = Stage::set().await;
    let values = [
        "--set=operator.replicas=3",
        "--set=operator.nodeSelector.disk=fast",
        "--set=operator.tolerations[0].operator=Exists",
        "--set=operator.resources.requests.cpu=1",
        "--set=images.pullSecrets[0]=registry",
        "--set=uninstall.timeout=77",
    ];
    let install = [values.as_slice(), &["--create-namespace"]].concat();
    stage.helm("install", "gateway", &install).await.unwrap();
    let get = async |what| {
        let get = ["get", what, RELEASE, "--namespace", "gateway"];
        stage.run(&get).await.unwrap()
    };
    let release = [get("manifest").await, get("hooks").await].join("\n---\n");
    let all = objects(&release);
    let of = |kind: &str, name: &str| all[&(kind.to_owned(), name.to_owned())].clone();
    let deployment = of("Deployment", "spokeway-operator");
    assert_eq!(deployment["spec"]["replicas"], 3);
    // The gateway runs in the same namespace.
    let server = &of("GatewayConfiguration", "default")["spec"]["server"];
    assert_eq!(server["imagePullSecrets"][0]["name"], "registry");
    let job = of("Job", "spokeway-uninstall");
    let job = &job["spec"]["template"]["spec"];
    for pod in [&deployment["spec"]["template"]["spec"], job] {
        assert_eq!(pod["nodeSelector"]["disk"], "fast");
        assert_eq!(pod["tolerations"][0]["operator"], "Exists");
        assert_eq!(pod["imagePullSecrets"][0]["name"], "registry");
        let container = &pod["containers"][0];
        assert_eq!(container["resources"]["requests"]["cpu"], 1);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    }
    assert_eq!(
        job["containers"][0]["args"],
        serde_json::json!(["uninstall", "--timeout=77"])
    );
    assert_eq!(job["serviceAccountName"], "spokeway-uninstall");
}
