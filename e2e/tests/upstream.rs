//! Upstream's own end-to-end suites for managed-serviceaccount, run against our agent. They use one
//! cluster as hub and spoke. Suites that do not test the agent are left out: the installation of
//! the add-on by upstream's manager, and the copies that its manager makes for `ClusterProfile`s.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::{path::Path, time::Duration};

use e2e::{
    Agent, AgentOptions, Cluster, Process, World,
    enrolled::{TOKEN_NAMESPACE, allow, pod_kubeconfig, prepare_hub, prepare_spoke},
    eventually,
    ocm::Ocm,
    process::Spec,
    programs::{MANAGED_SERVICEACCOUNT_E2E, Programs},
};
use serde_json::json;

/// The name that the suites give their cluster.
const CLUSTER: &str = "loopback";
const ENDS_WITHIN: Duration = Duration::from_mins(5);
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn upstreams_own_suites_pass_against_our_agent() {
    let world = World::builder().cluster(CLUSTER).start().await.unwrap();
    let cluster = world.cluster(CLUSTER);
    // For the kind of the add-on, from which the suites read the namespace of `ServiceAccount`s.
    let _ocm = Ocm::start(cluster).await.unwrap();
    prepare_hub(cluster).await.unwrap();
    prepare_spoke(cluster).await.unwrap();
    let group = "system:open-cluster-management:addon:cluster-proxy";
    let rbac = "rbac.authorization.k8s.io";
    let subject = json!({"apiGroup": rbac, "kind": "Group", "name": group});
    allow(cluster, CLUSTER, &subject).await.unwrap();
    say_where_accounts_are(cluster).await;
    let kubeconfig = pod_kubeconfig(cluster).await.unwrap();
    let options = AgentOptions {
        args: vec![
            "--tokens".to_owned(),
            "--connections=0".to_owned(),
            format!("--spoke-kubeconfig={}", kubeconfig.display()),
        ],
        ..AgentOptions::default()
    };
    let _agent = Agent::start(cluster, cluster, options).await.unwrap();

    let programs = Programs::ensure(&[&MANAGED_SERVICEACCOUNT_E2E]).unwrap();
    for (suite, cases) in [("msa-e2e-token", 6), ("msa-e2e-ephemeral", 2)] {
        let ran = run(cluster, suite, programs.path(suite)).await;
        assert!(
            ran.contains(&format!("Ran {cases} of {cases} Specs")),
            "{ran}"
        );
        assert!(ran.contains(&format!("{cases} Passed")), "{ran}");
    }
}

/// Runs a suite to its end, and returns its output.
async fn run(cluster: &Cluster, name: &str, program: &Path) -> String {
    let directory = cluster.directory().to_owned();
    let suite = Process::start(Spec {
        name: name.to_owned(),
        program: program.to_owned(),
        args: vec![
            format!("--hub-kubeconfig={}", cluster.kubeconfig_path().display()),
            format!("--test-cluster={CLUSTER}"),
            "--ginkgo.no-color".to_owned(),
        ],
        env: Vec::new(),
        log: directory.join(format!("{name}.log")),
        directory,
    });
    let suite = suite.unwrap();
    let ended = || async { suite.exited().ok_or("still running") };
    let ended = eventually(ENDS_WITHIN, "the suite ends", ended)
        .await
        .unwrap();
    let said = suite.tail(60).to_string();
    assert!(ended.success(), "{said}");
    said
}

/// Registers the add-on, as its manager would.
async fn say_where_accounts_are(cluster: &Cluster) {
    let addon = json!({
        "apiVersion": "addon.open-cluster-management.io/v1alpha1",
        "kind": "ManagedClusterAddOn",
        "metadata": {"name": "managed-serviceaccount", "namespace": CLUSTER},
        "spec": {},
    });
    let apply = || async {
        let apply = cluster.kubectl(&["apply", "--server-side", "-f", "-"]);
        apply.stdin(addon.to_string()).ok().await.map(drop)
    };
    eventually(SOON, "the add-on's kind is served", apply)
        .await
        .unwrap();
    let status = json!({"status": {"namespace": TOKEN_NAMESPACE}}).to_string();
    let patch = [
        "patch",
        "managedclusteraddon",
        "managed-serviceaccount",
        "-n",
        CLUSTER,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    cluster.kubectl(&patch).ok().await.unwrap();
}
