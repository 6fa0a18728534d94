//! Every right of ours, as the API servers see it, with the reason for it: docs/rights.md. A right
//! without a reason fails, and so does a page that says something else.

use std::{fmt::Write as _, fs, path::Path};

use e2e::{
    Cluster, Operator, World,
    ocm::Ocm,
    operator,
    rules::{Rule, rules},
};
use serde_json::{Value, json};

use super::{
    can_i_rows::{Row, beside, merged, rows},
    hub::{kubectl, read, soon},
};

const HEAD: &str = "# The rights that we hold

What each of our accounts may do, as the API servers say (`kubectl auth can-i --list`), and why. What every authenticated account
may do is left out. This page is written by the journey `every_right_of_ours_is_written_down_with_its_reason`, on real control
planes with everything installed as it is shipped. The reasons are the comments beside the rules in `config/*/rbac*.yaml`.

Admission policies bound some of these rights further: `config/operator/operator-policy.yaml` and `config/operator/agent-policy.yaml`.
";
/// Why the gateway has what comes with the built-in roles that it gets.
const BUILT_IN: [(&str, &str); 3] = [
    (
        "tokenreviews.authentication.k8s.io",
        "Not used; it comes with the built-in role system:auth-delegator, which subjectaccessreviews take.",
    ),
    (
        "subjectaccessreviews.authorization.k8s.io",
        "Whether a caller may use the gateway for a cluster.",
    ),
    (
        "configmaps",
        "Which certificate the hub's API server shows, and in which headers it names callers.",
    ),
];
/// Why the gateway's account on a cluster has what comes with a grant there.
const OF_GRANTS: [(&str, &str); 3] = [
    (
        "groups",
        "The groups of the grants on the cluster, to which their rights are bound. HASH is that of uid, role and namespaces.",
    ),
    (
        "users",
        "The users that these grants name, and the user, without a right, that stands for callers whom only a group names.",
    ),
    (
        "userextras.authentication.k8s.io/gateway.open-cluster-management.io/user",
        "The name on the hub of such a caller, for the cluster's audit log.",
    ),
];
/// The namespaces of our objects on a cluster.
const ADDONS: &str = "open-cluster-management-agent-addon";
const TOKENS: &str = "open-cluster-management-managed-serviceaccount";
const ADDON: &str = "system:open-cluster-management:addon:cluster-gateway";
const OF_CLUSTER: &str = "system:open-cluster-management:cluster:managed1:addon:cluster-gateway";

/// An account of ours.
struct Account<'a> {
    title: &'a str,
    cluster: &'a Cluster,
    user: String,
    groups: &'a [&'a str],
    /// The manifest with its rules, and the reasons for what is elsewhere, by resource.
    manifest: Option<&'a str>,
    others: &'a [(&'a str, &'a str)],
    /// The namespaces where it has rights of its own.
    places: &'a [&'a str],
}

#[tokio::test]
async fn every_right_of_ours_is_written_down_with_its_reason() {
    let world = World::builder().cluster("hub").cluster("managed1");
    let world = world.start().await.unwrap();
    let (hub, spoke) = (world.cluster("hub"), world.cluster("managed1"));
    let _ocm = Ocm::start(hub).await.unwrap();
    Operator::install(hub).await.unwrap();
    let _operator = Operator::start(hub, "operator-1", &[]).await.unwrap();
    enrol(hub, spoke).await;

    let mut page = HEAD.to_owned();
    for account in accounts(hub, spoke) {
        account.write(&mut page).await;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rights.md");
    if fs::read_to_string(&file).is_ok_and(|known| known == page) {
        return;
    }
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rights.md");
    fs::write(&written, page).unwrap();
    panic!(
        "docs/rights.md is out of date: cp {} docs/rights.md",
        written.display()
    );
}

fn accounts<'a>(hub: &'a Cluster, spoke: &'a Cluster) -> [Account<'a>; 5] {
    let account = |namespace: &str, name: &str| format!("system:serviceaccount:{namespace}:{name}");
    [
        Account {
            title: "The operator, on the hub",
            cluster: hub,
            user: operator::USER.to_owned(),
            groups: &[],
            manifest: Some("operator/rbac.yaml"),
            others: &[],
            places: &["spokeway-system"],
        },
        Account {
            title: "The gateway, on the hub",
            cluster: hub,
            user: account("spokeway-system", "spokeway-gateway"),
            groups: &[],
            manifest: Some("gateway/rbac.yaml"),
            others: &BUILT_IN,
            places: &[
                "kube-system",
                "open-cluster-management-credentials",
                "spokeway-system",
            ],
        },
        Account {
            title: "The agent of the cluster managed1, on the hub",
            cluster: hub,
            user: format!("{OF_CLUSTER}:agent:spokeway-agent"),
            groups: &[ADDON, OF_CLUSTER, "system:authenticated"],
            manifest: Some("agent/rbac-hub.yaml"),
            others: &[],
            places: &["managed1"],
        },
        Account {
            title: "The agent, on its cluster",
            cluster: spoke,
            user: account(ADDONS, "spokeway-agent"),
            groups: &[],
            manifest: Some("agent/rbac-spoke.yaml"),
            others: &[],
            places: &[ADDONS, TOKENS],
        },
        Account {
            title: "The gateway, on a cluster with a grant to alice",
            cluster: spoke,
            user: account(TOKENS, "cluster-gateway"),
            groups: &[],
            manifest: None,
            others: &OF_GRANTS,
            places: &[],
        },
    ]
}

impl Account<'_> {
    async fn write(&self, page: &mut String) {
        let groups: Vec<_> = self
            .groups
            .iter()
            .map(|it| format!("--as-group={it}"))
            .collect();
        let flags: Vec<_> = [format!("--as={}", self.user)]
            .into_iter()
            .chain(groups)
            .collect();
        let nobody = ["--as=system:serviceaccount:default:nobody".to_owned()];
        let everybodys = rows(self.cluster, "default", &nobody).await;
        let everywhere = beside(rows(self.cluster, "default", &flags).await, &everybodys);
        writeln!(page, "\n## {}\n\n`{}`", self.title, self.user).unwrap();
        self.table(None, &everywhere, page);
        for place in self.places {
            let there = beside(rows(self.cluster, place, &flags).await, &everybodys);
            self.table(Some(place), &beside(there, &everywhere), page);
        }
    }

    /// What it may do in a namespace, or everywhere.
    fn table(&self, place: Option<&str>, rows: &[Row], page: &mut String) {
        if rows.is_empty() {
            return;
        }
        let rules = self.manifest.map(rules).unwrap_or_default();
        let reasoned = rows
            .iter()
            .map(|row| (row.clone(), self.reason(row, place, &rules)));
        let place = place.map_or_else(
            || "Everywhere".to_owned(),
            |place| format!("In the namespace {place}"),
        );
        writeln!(page, "\n### {place}\n\n| may | what | why |\n|---|---|---|").unwrap();
        for (row, reason) in merged(reasoned.collect()) {
            writeln!(
                page,
                "| {} | {} | {reason} |",
                row.verbs.join(", "),
                row.what()
            )
            .unwrap();
        }
    }

    /// Why it has each of these verbs.
    fn reason(&self, row: &Row, place: Option<&str>, rules: &[Rule]) -> String {
        let other = self.others.iter().find(|(what, _)| *what == row.resource);
        let mut reasons: Vec<&str> = Vec::new();
        for verb in &row.verbs {
            let own = rules
                .iter()
                .filter(|rule| rule.allows(verb, &row.resource, &row.names));
            let own = own.min_by_key(|rule| rule.namespace.as_deref() != place);
            let own = own.map(|rule| rule.reason.as_str());
            let reason = own
                .or_else(|| other.map(|(_, reason)| *reason))
                .unwrap_or_default();
            assert!(
                !reason.is_empty(),
                "{}: no reason to {verb} {row:?}",
                self.title
            );
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons.join(" ")
    }
}

/// The operator enrols a cluster that a grant is for, and its works come to the cluster.
async fn enrol(hub: &Cluster, spoke: &Cluster) {
    let ours = "gateway.open-cluster-management.io/v1alpha1";
    for object in [
        json!({"apiVersion": ours, "kind": "GatewayConfiguration", "metadata": {"name": "default"}, "spec": {}}),
        json!({
            "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
            "metadata": {"name": "managed1"}, "spec": {"hubAcceptsClient": true},
        }),
    ] {
        apply(hub, &object).await;
    }
    soon("the grant is judged", || grant(hub)).await;
    for binding in [
        &["clusterrolebinding", "spokeway-agent-tunnel"][..],
        &["clusterrolebinding", "spokeway-gateway-grants"],
        &["rolebinding", "spokeway-agent-tokens", "-n", "managed1"],
        &[
            "rolebinding",
            "spokeway-gateway-peers",
            "-n",
            "spokeway-system",
        ],
    ] {
        soon("the operator binds its roles", || read(hub, binding)).await;
    }
    let works = || carried(hub);
    let carried = soon("the works are there", works).await;
    let addons = ["create", "namespace", "open-cluster-management-agent-addon"];
    kubectl(spoke, &addons).await.unwrap();
    let kinds = [
        "Namespace",
        "ClusterRole",
        "Role",
        "ClusterRoleBinding",
        "RoleBinding",
    ];
    for kind in kinds {
        for object in carried.iter().filter(|it| it["kind"] == kind) {
            apply(spoke, object).await;
        }
    }
}

/// Grants alice a role. What was written before the new hub's policy is in force is held back until
/// it is written again.
async fn grant(hub: &Cluster) -> Result<(), String> {
    let name = "alice-views";
    let grant = json!({
        "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name},
        "spec": {
            "clusters": {"names": ["managed1"]}, "role": {"clusterRole": "view"},
            "subjects": [{"kind": "User", "name": "alice"}],
        },
    });
    apply(hub, &grant).await;
    let status = read(hub, &["accessgrant", name]).await?["status"].clone();
    match status["judgement"]["judged"].as_bool() {
        Some(true) => return Ok(()),
        Some(false) => drop(kubectl(hub, &["delete", "accessgrant", name]).await?),
        None => {}
    }
    Err(status.to_string())
}

/// What the operator's works carry to the cluster, once the agent and a grant are among it.
async fn carried(hub: &Cluster) -> Result<Vec<Value>, String> {
    let works = read(hub, &["manifestworks", "-n", "managed1"]).await?;
    let works = works["items"].as_array().cloned().unwrap_or_default();
    let carried = works
        .iter()
        .filter_map(|it| it["spec"]["workload"]["manifests"].as_array().cloned());
    let carried: Vec<Value> = carried.flatten().collect();
    let starts = |it: &Value, name| {
        let found = it["metadata"]["name"].as_str();
        found.is_some_and(|it| it.starts_with(name))
    };
    let is_there = |name| carried.iter().any(|it| starts(it, name));
    if is_there("spokeway-agent") && is_there("spokeway:gateway-impersonation:") {
        Ok(carried)
    } else {
        let names = works.iter().map(|it| it["metadata"]["name"].to_string());
        let names: Vec<_> = names.collect();
        let grant = read(hub, &["accessgrant", "alice-views"]).await?;
        Err(format!("works {names:?}, grant {}", grant["status"]))
    }
}

async fn apply(cluster: &Cluster, object: &Value) {
    let apply = cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"]);
    apply.stdin(object.to_string()).ok().await.unwrap();
}
