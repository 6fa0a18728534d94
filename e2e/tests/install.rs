//! An installation as users do it: by a real helm, on a hub and a spoke that have nodes, from our
//! images. Uninstalling it leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "install/replicas.rs"]
mod replicas;
#[path = "install/walkthrough.rs"]
mod walkthrough;

use std::{fs, sync::Arc, time::Duration};

use e2e::{
    Cluster, Fence, Helm, World, eventually,
    helm::CHART,
    node::obstacle,
    ocm::{Klusterlet, KlusterletOptions, Ocm},
    our_program,
};
use serde_json::Value;
use tokio::time::Instant;

const SPOKE: &str = "managed1";
const NAMESPACE: &str = "spokeway-system";
const SOON: Duration = Duration::from_mins(1);
/// Helm's own deadline, and our deadline for helm.
const TIMEOUT: &str = "--timeout=3m";
const HELM_WITHIN: Duration = Duration::from_mins(4);
const HEALTHZ: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy/healthz";
/// The kinds that an installation and an operator create on the hub.
const ON_HUB: &str = "clustermanagementaddons,managedclusteraddons,manifestworks,rolebindings,roles,\
    clusterrolebindings,clusterroles,apiservices,deployments,pods,jobs,services,serviceaccounts,leases,\
    secrets,poddisruptionbudgets,customresourcedefinitions";
const ON_SPOKE: &str = "namespaces,deployments,pods,roles,rolebindings,clusterroles,\
    clusterrolebindings,serviceaccounts,leases,secrets";

struct Stage {
    _klusterlet: Klusterlet,
    _ocm: Ocm,
    world: World,
    helm: Helm,
    /// The digest of each program's image.
    digests: Vec<(&'static str, String)>,
}

impl Stage {
    async fn set(fence: &Arc<Fence>) -> Self {
        let world = World::builder()
            .hub_with_node("hub", fence)
            .cluster_with_node(SPOKE, fence)
            .start()
            .await
            .unwrap();
        let mut digests = Vec::new();
        for (cluster, program) in [
            ("hub", "operator"),
            ("hub", "gateway-server"),
            (SPOKE, "agent"),
        ] {
            let files = images::of_program(program, &our_program(program).unwrap()).unwrap();
            let image = images::image(images::REGISTRY, program);
            let name = image.name.clone();
            let archive = images::archive(&files, &[image]);
            let file = world.directory().join(format!("{program}.tar"));
            fs::write(&file, archive.bytes).unwrap();
            let digest = archive.digests[0].clone();
            let node = world.node(cluster);
            node.import_with_digest(&file, &name, &digest).unwrap();
            digests.push((program, digest));
        }
        let ocm = Ocm::start(world.cluster("hub")).await.unwrap();
        let joined = ocm.join(world.cluster(SPOKE), KlusterletOptions::default());
        Self {
            _klusterlet: joined.await.unwrap(),
            _ocm: ocm,
            world,
            helm: Helm::ensure().unwrap(),
            digests,
        }
    }

    /// The values with which exactly the images of this tree run.
    fn values(&self) -> String {
        let file = self.world.directory().join("digests.yaml");
        fs::write(&file, images::chart_values(&self.digests)).unwrap();
        format!("--values={}", file.display())
    }

    /// The reference by which pods run a program.
    fn image(&self, program: &str) -> String {
        let (_, digest) = self.digests.iter().find(|(it, _)| *it == program).unwrap();
        format!("{}@{digest}", images::name(images::REGISTRY, program))
    }

    async fn helm(&self, args: &[&str]) -> Result<String, String> {
        let helm = self.helm.on(self.world.cluster("hub"), args);
        let done = helm.timeout(HELM_WITHIN).ok().await;
        done.map_err(|error| error.to_string())
    }

    async fn on_hub(&self, args: &[&str]) -> Result<String, String> {
        kubectl(self.world.cluster("hub"), args).await
    }

    async fn on_spoke(&self, args: &[&str]) -> Result<String, String> {
        let spoke = self.world.cluster(SPOKE);
        spoke.on_its_side(|| kubectl(spoke, args)).await
    }

    /// Every object that might be ours, as `kind/namespace/name`.
    async fn ours(&self) -> Result<Vec<String>, String> {
        let list = |kinds| ["get", kinds, "--all-namespaces", "--output=json"];
        let on_hub = self.on_hub(&list(ON_HUB)).await?;
        let on_spoke = self.on_spoke(&list(ON_SPOKE)).await?;
        Ok(named(&on_hub, "hub")
            .chain(named(&on_spoke, SPOKE))
            .collect())
    }
}

async fn kubectl(cluster: &Cluster, args: &[&str]) -> Result<String, String> {
    let done = cluster.kubectl(args).ok().await;
    done.map_err(|error| error.to_string())
}

fn named(list: &str, cluster: &str) -> impl Iterator<Item = String> {
    let list: Value = serde_json::from_str(list).unwrap();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let cluster = cluster.to_owned();
    items.into_iter().map(move |item| {
        let metadata = &item["metadata"];
        let part = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        let kind = item["kind"].as_str().unwrap_or_default().to_owned();
        format!("{cluster}: {kind}/{}/{}", part("namespace"), part("name"))
    })
}

#[tokio::test]
async fn installed_by_helm_it_runs_in_pods_and_uninstalled_it_leaves_nothing() {
    if let Some(why) = obstacle() {
        tell(&format!("skipped: no node on this machine: {why}"));
        return;
    }
    let fence = Fence::new().await.unwrap();
    fence.enter_hub_side().unwrap();
    let stage = Stage::set(&fence).await;
    let before = stage.ours().await.unwrap();

    // The strictest pod security that a namespace can have.
    let namespace = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../config/operator/namespace.yaml"
    );
    stage.on_hub(&["apply", "-f", namespace]).await.unwrap();
    let begin = Instant::now();
    let in_namespace = ["--namespace", NAMESPACE, "--wait", TIMEOUT];
    // What is kept otherwise is left, too, unless one asks for that.
    let switches = [
        "--set=crds.keep=false",
        "--set=manualSecretManagement=false",
        "--set=konnectivityEgress=true",
    ];
    let values = stage.values();
    let install = ["install", "spokeway", CHART, &values];
    let install = [install.as_slice(), &switches, &in_namespace].concat();
    if let Err(refused) = stage.helm(&install).await {
        panic!("{refused}\n{}", pods(&stage).await);
    }
    tell(&format!("installed after {:.1?}", begin.elapsed()));
    let healthz = || stage.on_hub(&["get", "--raw", HEALTHZ]);
    let answer = eventually(SOON, "healthz", healthz).await;
    let Ok(answer) = answer else {
        panic!("{answer:?}\n{}", pods(&stage).await);
    };
    assert_eq!(answer, "ok");
    tell(&format!("reachable after {:.1?}", begin.elapsed()));
    all_run_our_images(&stage).await;
    replicas::answer_as_one(&stage).await;
    tell(&format!(
        "one gateway replaced after {:.1?}",
        begin.elapsed()
    ));
    walkthrough::walk(&stage).await;
    tell(&format!("walked through after {:.1?}", begin.elapsed()));
    let granted = ["delete", "manifestwork", "gateway-view", "-n", SPOKE];
    stage.on_hub(&granted).await.unwrap();

    let begin = Instant::now();
    let uninstall = [&["uninstall", "spokeway"], in_namespace.as_slice()].concat();
    if let Err(refused) = stage.helm(&uninstall).await {
        panic!("{refused}\n{}", pods(&stage).await);
    }
    tell(&format!("uninstalled after {:.1?}", begin.elapsed()));
    let nothing = || async {
        let mut left = stage.ours().await?;
        left.retain(|object| !before.contains(object) && !is_kubernetes_own(object));
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join("\n"))
        }
    };
    eventually(SOON, "nothing is left", nothing).await.unwrap();
}

/// Whether Kubernetes creates this object by itself, at a time of its own: in every namespace, or
/// for every node once its kubelet has registered.
fn is_kubernetes_own(object: &str) -> bool {
    let of_a_namespace = object.contains("ServiceAccount/") && object.ends_with("/default");
    of_a_namespace || object.contains("Lease/kube-node-lease/")
}

async fn all_run_our_images(stage: &Stage) {
    let images = "--output=jsonpath={range .items[*]}{.spec.containers[*].image} {end}";
    let running = [
        "get",
        "pods",
        "--field-selector=status.phase=Running",
        images,
    ];
    let on_hub = [running.as_slice(), &["--namespace", NAMESPACE]].concat();
    let on_hub = stage.on_hub(&on_hub).await.unwrap();
    for program in ["operator", "gateway-server"] {
        let image = stage.image(program);
        assert_eq!(on_hub.matches(&image).count(), 2, "{on_hub}");
    }
    let on_spoke = [running.as_slice(), &["--all-namespaces"]].concat();
    let on_spoke = stage.on_spoke(&on_spoke).await.unwrap();
    assert_eq!(on_spoke.trim(), stage.image("agent"));
}

/// Prints details for the reader of a failure.
async fn pods(stage: &Stage) -> String {
    let pods = ["get", "pods,jobs,managedclusteraddons", "-A", "-o=wide"];
    let agents = ["get", "pods", "-A", "-o=wide"];
    let events = ["get", "events", "-A", "--field-selector=type=Warning"];
    let configuration = ["get", "gatewayconfiguration", "-o=yaml"];
    let logs = |deployment, namespace| ["logs", "--all-pods", "--tail=30", deployment, namespace];
    let said = [
        stage.on_hub(&pods).await,
        stage.on_hub(&events).await,
        stage.on_hub(&configuration).await,
        stage
            .on_hub(&logs("deployment/spokeway-operator", "-n=spokeway-system"))
            .await,
        stage
            .on_hub(&logs("deployment/spokeway-gateway", "-n=spokeway-system"))
            .await,
        stage.on_spoke(&agents).await,
        stage.on_spoke(&events).await,
        stage
            .on_spoke(&logs(
                "deployment/spokeway-agent",
                "-n=open-cluster-management-agent-addon",
            ))
            .await,
    ];
    let said = said.map(|said| said.unwrap_or_else(|error| error));
    said.join("\n")
}

/// Prints in spite of the capture of test output.
fn tell(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
