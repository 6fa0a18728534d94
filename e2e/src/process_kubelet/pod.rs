//! One pod: its files, and its process.

use std::{
    collections::BTreeMap,
    fs, io,
    net::Ipv4Addr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::Deployment,
        core::v1::{
            ConfigMap, ConfigMapVolumeSource, Container, PodSpec, Secret, SecretVolumeSource,
            ServiceAccount,
        },
    },
};
use kube::{Api, Client};
use tokio::time::Instant;

use super::Shared;
use crate::{
    Credentials,
    cluster::TokenError,
    host,
    process::{Process, ProcessError, Spec},
};

const TOKEN_LIVES: Duration = Duration::from_hours(1);
const TOKEN_RENEWED_AFTER: Duration = Duration::from_mins(20);
/// How long to wait before a container that ended is started again.
const PAUSE: Duration = Duration::from_secs(1);
const STOP_WITHIN: Duration = Duration::from_secs(10);
const ADMIN: &str = "--admin-bind-address=";

/// A running pod.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) process: Process,
    container: Container,
    directory: PathBuf,
    content: Content,
    versions: u32,
    token_since: Instant,
    started: Instant,
}

/// Why a pod could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum PodError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("its files: {0}")]
    Files(#[from] io::Error),
    #[error("the spoke: {0}")]
    Spoke(#[from] kube::Error),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("its Deployment has no container")]
    Empty,
}

/// The content of volumes, by volume and key.
type Content = BTreeMap<String, Keys>;
type Keys = BTreeMap<String, ByteString>;

/// Starts the pod of a Deployment; `None` while a volume or its `ServiceAccount` is missing.
pub(super) async fn keep(
    node: &Shared,
    key: &str,
    deployment: &Deployment,
    known: Option<Pod>,
    client: &Client,
) -> Result<Option<Pod>, PodError> {
    let template = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let spec = template.ok_or(PodError::Empty)?;
    let container = spec.containers.first().ok_or(PodError::Empty)?;
    let namespace = deployment.metadata.namespace.clone().unwrap_or_default();
    let Some(content) = content(client, &namespace, spec).await? else {
        return Ok(None);
    };
    let account = spec.service_account_name.as_deref().unwrap_or("default");
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
    if accounts.get_opt(account).await?.is_none() {
        return Ok(None);
    }
    match known {
        Some(pod) if pod.container == *container => pod
            .refresh(node, key, (&namespace, account), content)
            .await
            .map(Some),
        known => {
            if let Some(old) = known {
                old.process.stop(STOP_WITHIN).await;
            }
            let pod = start(node, key, container, (&namespace, account), content).await;
            pod.map(Some)
        }
    }
}

/// The content of the volumes; `None` while one that is not optional is missing.
async fn content(
    client: &Client,
    namespace: &str,
    spec: &PodSpec,
) -> Result<Option<Content>, kube::Error> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let mut content = BTreeMap::new();
    for volume in spec.volumes.iter().flatten() {
        let (keys, optional) = if let Some(source) = &volume.secret {
            (of_secret(&secrets, source).await?, source.optional)
        } else if let Some(source) = &volume.config_map {
            (of_map(&maps, source).await?, source.optional)
        } else {
            continue;
        };
        let missing = (optional == Some(true)).then(BTreeMap::new);
        let Some(keys) = keys.or(missing) else {
            return Ok(None);
        };
        content.insert(volume.name.clone(), keys);
    }
    Ok(Some(content))
}

async fn of_secret(
    api: &Api<Secret>,
    source: &SecretVolumeSource,
) -> Result<Option<Keys>, kube::Error> {
    let name = source.secret_name.as_deref().unwrap_or_default();
    let found = api.get_opt(name).await?;
    Ok(found.map(|secret| secret.data.unwrap_or_default()))
}

async fn of_map(
    api: &Api<ConfigMap>,
    source: &ConfigMapVolumeSource,
) -> Result<Option<Keys>, kube::Error> {
    let Some(found) = api.get_opt(&source.name).await? else {
        return Ok(None);
    };
    let data = found.data.unwrap_or_default().into_iter();
    let data = data.map(|(key, text)| (key, ByteString(text.into_bytes())));
    Ok(Some(data.collect()))
}

async fn start(
    node: &Shared,
    key: &str,
    container: &Container,
    account: (&str, &str),
    content: Content,
) -> Result<Pod, PodError> {
    let port = host::free_port();
    let directory = node.directory.join(format!("{key}-{port}"));
    fs::create_dir(&directory)?;
    for (volume, data) in &content {
        lay_out(&directory.join(volume), data, 0)?;
    }
    let kubeconfig = write_token(node, key, account).await?;
    let spec = Spec {
        name: format!("{key} of {}", node.spoke.name()),
        program: node.program.clone(),
        args: arguments(node, container, &directory, port, &kubeconfig),
        env: environment(container, key),
        log: directory.join("agent.log"),
        directory: directory.clone(),
    };
    Ok(Pod {
        process: Process::start(spec)?,
        container: container.clone(),
        directory,
        content,
        versions: 0,
        token_since: Instant::now(),
        started: Instant::now(),
    })
}

impl Pod {
    /// Updates mounted files and tokens, and starts the process again if it has ended.
    async fn refresh(
        mut self,
        node: &Shared,
        key: &str,
        account: (&str, &str),
        content: Content,
    ) -> Result<Self, PodError> {
        if content != self.content {
            self.versions += 1;
            for (volume, data) in &content {
                lay_out(&self.directory.join(volume), data, self.versions)?;
            }
            self.content = content;
        }
        if self.token_since.elapsed() > TOKEN_RENEWED_AFTER {
            write_token(node, key, account).await?;
            self.token_since = Instant::now();
        }
        if self.process.exited().is_some() && self.started.elapsed() > PAUSE {
            self.process.restart()?;
            self.started = Instant::now();
        }
        Ok(self)
    }
}

/// Writes the files that a pod has for its own API server.
async fn write_token(
    node: &Shared,
    key: &str,
    (namespace, account): (&str, &str),
) -> Result<PathBuf, PodError> {
    let spoke = &node.spoke;
    let token = spoke
        .service_account_token(namespace, account, TOKEN_LIVES)
        .await?;
    let token = Credentials::Token(token);
    let file = format!("pods/{key}.kubeconfig");
    Ok(spoke.write_kubeconfig(&file, spoke.url(), &spoke.ca_pem(), &token)?)
}

fn arguments(
    node: &Shared,
    container: &Container,
    directory: &Path,
    port: u16,
    kubeconfig: &Path,
) -> Vec<String> {
    let mounts = container.volume_mounts.iter().flatten();
    let mounts: Vec<_> = mounts
        .map(|mount| (&mount.mount_path, directory.join(&mount.name)))
        .collect();
    let mapped = container.args.iter().flatten().map(|argument| {
        if argument.starts_with(ADMIN) {
            return format!("{ADMIN}127.0.0.1:{port}");
        }
        let mut argument = argument.clone();
        for (inside, outside) in &mounts {
            argument = argument.replace(*inside, &outside.display().to_string());
        }
        argument
    });
    let apiserver = node.spoke.url().trim_start_matches("https://");
    let found = [
        format!("--apiserver={apiserver}"),
        format!("--spoke-kubeconfig={}", kubeconfig.display()),
    ];
    mapped.chain(found).collect()
}

fn environment(container: &Container, key: &str) -> Vec<(String, String)> {
    let variables = container.env.iter().flatten();
    let variables = variables.map(|variable| {
        let source = variable.value_from.as_ref();
        let field = source.and_then(|it| it.field_ref.as_ref());
        let value = match field.map(|it| it.field_path.as_str()) {
            None => variable.value.clone().unwrap_or_default(),
            Some("status.hostIP" | "status.podIPs") => Ipv4Addr::LOCALHOST.to_string(),
            Some(_) => key.to_owned(),
        };
        (variable.name.clone(), value)
    });
    variables
        .chain([("RUST_BACKTRACE".to_owned(), "1".to_owned())])
        .collect()
}

/// Writes a volume's content to files. All files change at once, by one rename.
fn lay_out(volume: &Path, content: &BTreeMap<String, ByteString>, version: u32) -> io::Result<()> {
    fs::create_dir_all(volume)?;
    let current = format!("..{version}");
    let data = volume.join(&current);
    fs::create_dir(&data)?;
    for (key, ByteString(value)) in content {
        fs::write(data.join(key), value)?;
        let link = volume.join(key);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(key), link)?;
        }
    }
    let next = volume.join("..data_tmp");
    symlink(current, &next)?;
    fs::rename(next, volume.join("..data"))
}
