//! Our operator as a process against a hub. It has no more rights there than those in
//! `config/operator`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use http::Request;
use serde_json::{Value, json};

use crate::{
    Gateway, Replicas,
    binary::{BinaryError, our_program},
    cluster::{Cluster, Credentials, TokenError},
    eventually::{Elapsed, eventually},
    host,
    kubectl::KubectlError,
    process::{Process, ProcessError, Spec, readyz::plain},
    world::ends_of_logs,
};

const NAMESPACE: &str = "spokeway-system";
const ACCOUNT: &str = "spokeway-operator";
/// The operator's user name at the hub and in its audit log.
pub const USER: &str = "system:serviceaccount:spokeway-system:spokeway-operator";
const READY_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// The manifests that a hub needs before an operator can run.
const PREREQUISITES: [&str; 13] = [
    "crds/accessgrants.yaml",
    "crds/gatewayconfigurations.yaml",
    "crds/managedserviceaccounts.yaml",
    "operator/namespace.yaml",
    "operator/rbac.yaml",
    "operator/people.yaml",
    "operator/access-policy.yaml",
    "operator/agent-policy.yaml",
    "operator/configuration-policy.yaml",
    "operator/leaving-policy.yaml",
    "operator/operator-policy.yaml",
    "agent/rbac-hub.yaml",
    "gateway/rbac.yaml",
];

/// An operator of a hub. It is killed when it is dropped.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    admin_url: String,
}

/// Why an operator could not be started.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Its program could not be built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// It did not start or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its files could not be written.
    #[error("cannot lay out the operator's directory")]
    Files(#[from] io::Error),
    /// It did not end.
    #[error(transparent)]
    Endless(#[from] Elapsed),
    /// The hub refused what it needs.
    #[error(transparent)]
    Refused(#[from] KubectlError),
    /// There is no token for it.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Operator {
    /// Gives the hub what an operator needs, as an installation does.
    pub async fn install(hub: &Cluster) -> Result<(), OperatorError> {
        let mut apply = vec!["apply".to_owned(), "--server-side".to_owned()];
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let flags =
            PREREQUISITES.map(|file| format!("--filename={}", directory.join(file).display()));
        apply.extend(flags);
        let apply: Vec<_> = apply.iter().map(String::as_str).collect();
        hub.kubectl(&apply).ok().await?;
        let served = ["wait", "--for=condition=Established", "crd", "--all"];
        hub.kubectl(&served).ok().await?;
        Ok(())
    }

    /// Starts an operator with a name of its own, and waits until it has read the hub's state.
    pub async fn start(hub: &Cluster, name: &str, args: &[&str]) -> Result<Self, OperatorError> {
        Self::start_at(hub, hub.url(), name, args).await
    }

    /// Starts an operator that reaches the hub at another address.
    pub async fn start_at(
        hub: &Cluster,
        url: &str,
        name: &str,
        args: &[&str],
    ) -> Result<Self, OperatorError> {
        let program = our_program("operator")?;
        let directory = hub.directory().join(name);
        fs::create_dir(&directory)?;
        let port = host::free_port();
        let kubeconfig = kubeconfig(hub, url, name).await?;
        let mut all = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--identity={name}"),
            format!("--admin-bind-address=127.0.0.1:{port}"),
        ];
        all.extend(args.iter().map(|&arg| arg.to_owned()));
        let process = Process::start(Spec {
            name: format!("operator {name} of {}", hub.name()),
            program,
            args: all,
            env: vec![("RUST_BACKTRACE".to_owned(), "1".to_owned())],
            log: directory.join("operator.log"),
            directory,
        })?;
        let operator = Self {
            process,
            admin_url: format!("http://127.0.0.1:{port}"),
        };
        operator.is_ready().await?;
        Ok(operator)
    }

    /// Runs `operator uninstall` to its end. Returns whether it succeeded, and its log.
    pub async fn uninstall(hub: &Cluster, timeout: u64) -> Result<(bool, String), OperatorError> {
        let directory = hub.directory().to_owned();
        let log = directory.join("uninstall.log");
        let process = Process::start(Spec {
            name: format!("uninstall of {}", hub.name()),
            program: our_program("operator")?,
            args: vec![
                "uninstall".to_owned(),
                "--identity=uninstall".to_owned(),
                format!("--timeout={timeout}"),
                format!("--kubeconfig={}", hub.kubeconfig_path().display()),
            ],
            env: Vec::new(),
            log: log.clone(),
            directory,
        })?;
        let within = Duration::from_secs(timeout) + STOP_WITHIN;
        let ended = || async { process.exited().ok_or("it runs") };
        let status = eventually(within, "the end of the uninstall", ended).await?;
        Ok((status.success(), fs::read_to_string(log)?))
    }

    /// Its process, for its pid and log, and to pause it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Asks it to end, as a roll-out would.
    pub async fn stop(&self) -> ExitStatus {
        self.process.stop(STOP_WITHIN).await
    }

    /// Ends it at once, as a node failure would.
    pub fn kill(&self) -> ExitStatus {
        self.process.kill()
    }

    /// Starts it again at once, and waits until it has read the hub's state.
    pub async fn restart(&self) -> Result<(), ProcessError> {
        self.process.restart()?;
        self.is_ready().await
    }

    /// Its metrics.
    pub async fn metrics(&self) -> Result<String, kube::Error> {
        let request = Request::get("/metrics").body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        plain(&self.admin_url).request_text(request).await
    }

    /// The configuration for a gateway that the harness runs. `more` is merged into its spec.
    pub fn configuration(gateway: &Gateway, more: &Value) -> String {
        Self::configuration_of((gateway.port(), &gateway.ca_pem()), more)
    }

    /// The configuration for several gateways that the harness runs.
    pub fn configuration_of_replicas(replicas: &Replicas) -> String {
        Self::configuration_of((replicas.port(), &replicas.ca_pem()), &json!({}))
    }

    fn configuration_of((port, ca_pem): (u16, &str), more: &Value) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let mut spec = json!({"server": {"deployment": "External", "external": {
            "service": "gateway",
            "port": port,
            "caBundle": STANDARD.encode(ca_pem),
        }}});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1",
            "kind": "GatewayConfiguration",
            "metadata": {"name": "default"},
            "spec": spec,
        })
        .to_string()
    }

    async fn is_ready(&self) -> Result<(), ProcessError> {
        let client = plain(&self.admin_url);
        self.process.says_ready(READY_WITHIN, &client).await
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ends_of_logs([&self.process].into_iter());
        }
    }
}

async fn kubeconfig(hub: &Cluster, url: &str, name: &str) -> Result<PathBuf, OperatorError> {
    let hours = Duration::from_hours(4);
    let token = hub.service_account_token(NAMESPACE, ACCOUNT, hours).await?;
    let token = Credentials::Token(token);
    let file = format!("{name}.kubeconfig");
    Ok(hub.write_kubeconfig(&file, url, &hub.ca_pem(), &token)?)
}
