//! Stands in for a node of a spoke, as far as our agent needs one. It runs the program of the
//! agent's Deployment as a process, with exactly the Deployment's arguments and environment. What a
//! pod finds in its file system (mounted Secrets, its `ServiceAccount`'s token) is written to
//! files, and paths are mapped to them. What a pod finds by DNS is passed by a flag.

mod pod;

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{ListParams, ResourceExt as _},
};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use self::pod::Pod;
use crate::{
    binary::{BinaryError, our_program},
    cluster::Cluster,
    process::Process,
    world::ends_of_logs,
};

const LOOK_EVERY: Duration = Duration::from_millis(200);
const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// The label of our agent's Deployment.
const LABEL: &str = "app.kubernetes.io/name=spokeway-agent";

/// Runs the agents of one spoke until it is dropped.
#[derive(Debug)]
pub struct ProcessKubelet {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    spoke: Cluster,
    program: PathBuf,
    directory: PathBuf,
    ends: AtomicBool,
    is_held: AtomicBool,
    pods: Mutex<BTreeMap<String, Pod>>,
    fault: Mutex<Option<String>>,
}

/// Why the kubelet could not be started.
#[derive(Debug, thiserror::Error)]
pub enum KubeletError {
    /// The agent could not be built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// Its directory or thread could not be made.
    #[error("cannot lay out the kubelet's directory")]
    Files(#[from] io::Error),
}

impl ProcessKubelet {
    /// Starts to run the spoke's Deployments.
    pub fn start(spoke: &Cluster) -> Result<Self, KubeletError> {
        let directory = spoke.directory().join("pods");
        fs::create_dir(&directory)?;
        let shared = Arc::new(Shared {
            spoke: spoke.clone(),
            program: our_program("agent")?,
            directory,
            ends: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            pods: Mutex::default(),
            fault: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let name = format!("kubelet-{}", spoke.name());
        let thread = std::thread::Builder::new().name(name);
        let thread = thread.spawn(move || runtime.block_on(own.run()))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// The number of running agents.
    pub fn running(&self) -> usize {
        let pods = self.shared.pods.lock();
        pods.values()
            .filter(|pod| pod.process.pid().is_some())
            .count()
    }

    /// Ends all agents and starts no new ones, as if the cluster's nodes were lost.
    pub fn lose_nodes(&self) {
        self.shared.is_held.store(true, Ordering::Relaxed);
        self.shared.pods.lock().clear();
    }

    /// Why the last check failed; `None` if it succeeded.
    pub fn fault(&self) -> Option<String> {
        self.shared.fault.lock().clone()
    }

    /// The last lines of the agents' logs.
    pub fn tail(&self, lines: usize) -> String {
        let pods = self.shared.pods.lock();
        let tails = pods.values().map(|pod| pod.process.tail(lines).to_string());
        tails.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for ProcessKubelet {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let pods = self.shared.pods.lock();
        if std::thread::panicking() {
            ends_of_logs(
                pods.values()
                    .map(|pod| &pod.process)
                    .collect::<Vec<&Process>>()
                    .into_iter(),
            );
        }
    }
}

impl Shared {
    async fn run(&self) {
        while !self.ends.load(Ordering::Relaxed) {
            let looked = timeout(CALL_DEADLINE, self.look()).await;
            *self.fault.lock() = match looked {
                Ok(Ok(())) => None,
                Ok(Err(fault)) => Some(fault),
                Err(late) => Some(late.to_string()),
            };
            sleep(LOOK_EVERY).await;
        }
    }

    /// Makes the processes match the Deployments.
    async fn look(&self) -> Result<(), String> {
        let client = self.spoke.client();
        let deployments = Api::<Deployment>::all(client.clone());
        let found = deployments.list(&ListParams::default().labels(LABEL)).await;
        let found = found.map_err(|error| error.to_string())?;
        let key =
            |it: &Deployment| format!("{}.{}", it.namespace().unwrap_or_default(), it.name_any());
        let wanted: Vec<_> = found.items.iter().map(key).collect();
        self.pods.lock().retain(|key, _| wanted.contains(key));
        if self.is_held.load(Ordering::Relaxed) {
            return Ok(());
        }
        for (key, deployment) in wanted.into_iter().zip(&found.items) {
            let known = self.pods.lock().remove(&key);
            let pod = pod::keep(self, &key, deployment, known, &client).await;
            let pod = pod.map_err(|fault| format!("{key}: {fault}"))?;
            // The nodes may have been lost in the meantime.
            let mut pods = self.pods.lock();
            if let Some(pod) = pod.filter(|_| !self.is_held.load(Ordering::Relaxed)) {
                pods.insert(key, pod);
            }
        }
        Ok(())
    }
}
