//! A client that is created again when its files change, e.g. when OCM's registration agent renews
//! the certificate in place. Every receiver gets the new client. Requests in progress on the old
//! one continue.

use std::{fmt::Display, time::Duration};

use kube::Client;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use crate::source::{Files, Source, SourceError};

/// How often the files are read. Polling sees what inotify misses when the symlinks of a mounted
/// Secret are swapped.
const POLL: Duration = Duration::from_secs(2);

/// A value that is created from a source.
pub trait Load: Sized + Send + Sync {
    /// Why the value cannot be created.
    type Error: Display + Send;

    /// Creates the value from the current contents of the files.
    fn load(source: &Source) -> impl Future<Output = Result<Self, Self::Error>> + Send;
}

impl Load for Client {
    type Error = SourceError;

    async fn load(source: &Source) -> Result<Self, SourceError> {
        source.client().await
    }
}

/// The sending end: creates a new value when the files change.
#[derive(Debug)]
pub struct Follower<T> {
    source: Source,
    files: Files,
    sender: watch::Sender<T>,
}

impl<T: Load> Follower<T> {
    /// Creates the first value. The files must be valid at this time.
    pub async fn load(source: Source) -> Result<(Self, watch::Receiver<T>), T::Error> {
        let files = source.files();
        let (sender, receiver) = watch::channel(T::load(&source).await?);
        let follower = Self {
            source,
            files,
            sender,
        };
        Ok((follower, receiver))
    }

    /// Follows the files until it is dropped. If a new value cannot be created, the last one stays
    /// in use, because a rotation writes several files one after the other.
    pub async fn follow(mut self) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_error = None;
        loop {
            ticks.tick().await;
            let files = self.source.files();
            if files == self.files {
                continue;
            }
            match T::load(&self.source).await {
                Ok(loaded) => {
                    self.files = files;
                    last_error = None;
                    self.sender.send_replace(loaded);
                    info!(source = %self.source, "client reloaded because its files changed");
                }
                Err(error) => {
                    let error = error.to_string();
                    if last_error.as_ref() != Some(&error) {
                        warn!(source = %self.source, %error, "client not reloaded; the last good one stays in use");
                        last_error = Some(error);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

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
        let (following, mut clients) = Follower::<Client>::load(Source::Kubeconfig(kubeconfig))
            .await
            .unwrap();
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
