//! A client of the hub that follows its kubeconfig. OCM's registration agent renews the certificate in
//! place; whoever holds the receiving end gets a new client then, and what is in flight on the old one
//! goes on. A token file is read again by the client itself.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

/// How often the files are read: a poll sees what inotify misses on the symlink swaps of mounted
/// Secrets.
const POLL: Duration = Duration::from_secs(5);

/// The sending end: what makes a new client of changed files.
pub(crate) struct HubClient {
    kubeconfig: PathBuf,
    files: Files,
    clients: watch::Sender<Client>,
}

/// The kubeconfig and what it names, with their contents; none where one cannot be read.
type Files = Vec<(PathBuf, Option<Vec<u8>>)>;

/// No client of the hub.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubClientError {
    #[error("kubeconfig of the hub {}: {source}", path.display())]
    Kubeconfig {
        path: PathBuf,
        source: KubeconfigError,
    },
    #[error("client of the hub: {0}")]
    Client(#[from] kube::Error),
}

impl HubClient {
    /// Makes the first client; the files must be good at the start.
    pub(crate) async fn load(
        kubeconfig: PathBuf,
    ) -> Result<(Self, watch::Receiver<Client>), HubClientError> {
        let files = read(&kubeconfig);
        let (clients, receiver) = watch::channel(client(&kubeconfig).await?);
        let following = Self {
            kubeconfig,
            files,
            clients,
        };
        Ok((following, receiver))
    }

    /// Follows the files for as long as it is polled. While they make no client, the last one stays in
    /// use: a rotation writes several files, one after the other.
    pub(crate) async fn follow(mut self) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_error = None;
        loop {
            ticks.tick().await;
            let files = read(&self.kubeconfig);
            if files == self.files {
                continue;
            }
            match client(&self.kubeconfig).await {
                Ok(client) => {
                    self.files = files;
                    last_error = None;
                    self.clients.send_replace(client);
                    info!("credentials of the hub reloaded");
                }
                Err(error) => {
                    let error = error.to_string();
                    if last_error.as_ref() != Some(&error) {
                        warn!(%error, "credentials of the hub not reloaded; the last good ones stay in use");
                        last_error = Some(error);
                    }
                }
            }
        }
    }
}

/// What makes a kubeconfig into something to configure a client with.
pub(super) async fn config(path: &Path) -> Result<Config, KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

async fn client(path: &Path) -> Result<Client, HubClientError> {
    let config = config(path).await;
    let mut config = config.map_err(|source| HubClientError::Kubeconfig {
        path: path.to_owned(),
        source,
    })?;
    // Whoever calls has a backoff, which a retry down there would keep from seeing.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

fn read(kubeconfig: &Path) -> Files {
    let mut paths = vec![kubeconfig.to_owned()];
    paths.extend(named_by(kubeconfig));
    let content = |path: PathBuf| {
        let content = fs::read(&path).ok();
        (path, content)
    };
    paths.into_iter().map(content).collect()
}

/// Certificates and keys; the client follows token files by itself.
fn named_by(kubeconfig: &Path) -> Vec<PathBuf> {
    let Ok(kubeconfig) = Kubeconfig::read_from(kubeconfig) else {
        return Vec::new();
    };
    let clusters = kubeconfig.clusters.into_iter().filter_map(|it| it.cluster);
    let users = kubeconfig
        .auth_infos
        .into_iter()
        .filter_map(|it| it.auth_info);
    let of_clusters = clusters.filter_map(|cluster| cluster.certificate_authority);
    let of_users = users.flat_map(|user| [user.client_certificate, user.client_key]);
    let files = of_clusters.chain(of_users.flatten());
    files.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = r"
apiVersion: v1
kind: Config
current-context: hub
contexts: [{name: hub, context: {cluster: hub, user: agent}}]
clusters: [{name: hub, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: agent, user: {client-certificate: tls.crt, client-key: tls.key}}]
";

    fn pair(directory: &Path) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap();
        fs::write(directory.join("tls.crt"), certificate.pem()).unwrap();
        fs::write(directory.join("tls.key"), key.serialize_pem()).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_certificate_makes_a_new_client_and_a_broken_one_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = directory.path().join("kubeconfig");
        fs::write(&kubeconfig, KUBECONFIG).unwrap();
        pair(directory.path());
        let (following, mut clients) = HubClient::load(kubeconfig).await.unwrap();
        let mut following = std::pin::pin!(following.follow());
        let soon = Duration::from_mins(1);

        fs::write(directory.path().join("tls.crt"), "torn").unwrap();
        tokio::select! {
            () = &mut following => {}
            changed = tokio::time::timeout(soon, clients.changed()) => {
                assert!(changed.is_err(), "a client of a torn certificate");
            }
        }
        pair(directory.path());
        tokio::select! {
            () = &mut following => {}
            changed = tokio::time::timeout(soon, clients.changed()) => changed.unwrap().unwrap(),
        }
    }
}
