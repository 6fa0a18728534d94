//! A set of named clusters on loopback: one etcd, one temporary directory, and no trace afterwards.
//!
//! Nothing in here belongs to an async runtime, so tests with different runtimes can share a World.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
    sync::Arc,
};

use futures::future::try_join_all;
use tokio::sync::OnceCell;

use crate::{
    cluster::{Cluster, LaunchError, Place},
    eventually::chain,
    fence::{Fence, Side},
    host,
    node::{Node, NodeError},
    process::{Process, ProcessError},
    programs::{self, EnsureError, Programs},
    site::{self, Site},
};

mod report;

pub use report::SharedWorld;
pub(crate) use report::{LogWatch, ends_of_logs};

static SHARED: OnceCell<World> = OnceCell::const_new();

/// Running clusters. Everything stops and is removed when it is dropped, or when this process ends.
#[derive(Debug)]
pub struct World {
    site: Arc<Site>,
    etcd: Process,
    etcd_url: String,
    clusters: Vec<Cluster>,
    nodes: Vec<Node>,
}

/// The clusters that a World will have.
#[derive(Clone, Debug, Default)]
pub struct WorldBuilder {
    clusters: Vec<Wanted>,
}

#[derive(Clone, Debug)]
struct Wanted {
    name: String,
    address: Option<SocketAddrV4>,
    /// Where it is, if it has a node.
    node: Option<(Arc<Fence>, Side)>,
    audited: bool,
    /// Whether controllers run there.
    is_controlled: bool,
    restless: bool,
}

impl Wanted {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: None,
            node: None,
            audited: false,
            is_controlled: true,
            restless: false,
        }
    }
}

/// Why a World could not be started.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A program is missing and could not be built.
    #[error(transparent)]
    Programs(#[from] EnsureError),
    /// The temporary directory could not be used.
    #[error("cannot lay out the World's directory")]
    Directory(#[from] io::Error),
    /// A process did not start or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A cluster could not be started.
    #[error(transparent)]
    Cluster(#[from] LaunchError),
    /// A node could not be started.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl WorldBuilder {
    /// Adds a cluster. Names must be unique and usable as file names.
    pub fn cluster(mut self, name: &str) -> Self {
        self.clusters.push(Wanted::new(name));
        self
    }

    /// Adds a cluster without a controller manager, for a spoke that only answers requests.
    pub fn bare_cluster(mut self, name: &str) -> Self {
        self.clusters.push(Wanted {
            is_controlled: false,
            ..Wanted::new(name)
        });
        self
    }

    /// Turns on the audit logs of the clusters that have been added so far; see
    /// [`Cluster::audit_log`].
    pub fn audited(mut self) -> Self {
        for wanted in &mut self.clusters {
            wanted.audited = true;
        }
        self
    }

    /// Makes the API server of the cluster that was added last close a connection in good order after
    /// one of fifty answers, as API servers behind load balancers do.
    pub fn restless(mut self) -> Self {
        if let Some(wanted) = self.clusters.last_mut() {
            wanted.restless = true;
        }
        self
    }

    /// Adds a cluster whose API server listens at this address.
    pub fn cluster_at(mut self, name: &str, address: SocketAddrV4) -> Self {
        self.clusters.push(Wanted {
            address: Some(address),
            ..Wanted::new(name)
        });
        self
    }

    /// Adds a cluster on the spoke's side of a fence, with a node that runs pods. The caller must
    /// be on the hub's side, where the hub listens at [`Fence::hub_address`].
    pub fn cluster_with_node(mut self, name: &str, fence: &Arc<Fence>) -> Self {
        self.clusters.push(Wanted {
            address: Some(fence.node_address()),
            node: Some((Arc::clone(fence), Side::Spoke)),
            ..Wanted::new(name)
        });
        self
    }

    /// Adds a cluster on the hub's side of a fence, where the caller must be, with a node that runs
    /// pods. Its aggregated APIs are dialled at their pods.
    pub fn hub_with_node(mut self, name: &str, fence: &Arc<Fence>) -> Self {
        self.clusters.push(Wanted {
            address: Some(fence.hub_address()),
            node: Some((Arc::clone(fence), Side::Hub)),
            ..Wanted::new(name)
        });
        self
    }

    /// Starts everything at once, and waits until every cluster serves.
    pub async fn start(self) -> Result<World, WorldError> {
        let mut families = programs::ALL.to_vec();
        if self.clusters.iter().any(|wanted| wanted.node.is_some()) {
            families.extend(programs::NODE);
        }
        let site = Site::new(Programs::ensure(&families)?)?;
        let etcd_url = format!("http://127.0.0.1:{}", host::free_port());
        let mut world = World {
            etcd: start_etcd(&site, &etcd_url)?,
            etcd_url,
            site,
            clusters: Vec::new(),
            nodes: Vec::new(),
        };
        for wanted in self.clusters {
            let anywhere = || SocketAddrV4::new(Ipv4Addr::LOCALHOST, host::free_port());
            let place = Place {
                address: wanted.address.unwrap_or_else(anywhere),
                etcd: world.etcd_url.clone(),
                node: wanted.node,
                audited: wanted.audited,
                is_controlled: wanted.is_controlled,
                restless: wanted.restless,
            };
            let cluster = Cluster::launch(&world.site, &wanted.name, place)?;
            world.clusters.push(cluster);
        }
        try_join_all(world.clusters.iter().map(Cluster::wait_until_ready)).await?;
        for cluster in &world.clusters {
            if cluster.node_place().is_some() {
                world.nodes.push(Node::start(cluster).await?);
            }
        }
        Ok(world)
    }
}

impl World {
    /// A World without clusters yet.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::default()
    }

    /// The World that all tests of this process share: a `hub` and a spoke, `managed1`.
    ///
    /// # Panics
    /// If it does not come up, with the full report.
    pub async fn shared() -> SharedWorld {
        let start = || Self::builder().cluster("hub").cluster("managed1").start();
        match SHARED.get_or_try_init(start).await {
            Ok(world) => SharedWorld::new(world),
            Err(error) => panic!("the shared World did not start: {}", chain(&error)),
        }
    }

    /// A cluster by name.
    ///
    /// # Panics
    /// If no such cluster was requested.
    pub fn cluster(&self, name: &str) -> &Cluster {
        let found = self.clusters.iter().find(|cluster| cluster.name() == name);
        found.unwrap_or_else(|| panic!("this World has no cluster {name}"))
    }

    /// Its temporary directory, where a test can put its own files.
    pub fn directory(&self) -> &Path {
        &self.site.directory
    }

    /// The programs that it runs.
    pub fn programs(&self) -> &Programs {
        &self.site.programs
    }

    /// Its etcd, to pause it.
    pub fn etcd(&self) -> &Process {
        &self.etcd
    }

    /// The URL of its etcd over plain HTTP: gRPC, and JSON below `/v3`.
    pub fn etcd_url(&self) -> &str {
        &self.etcd_url
    }

    /// The node of a cluster.
    ///
    /// # Panics
    /// If no such cluster with a node was requested.
    pub fn node(&self, cluster: &str) -> &Node {
        let found = self.nodes.iter().find(|node| node.cluster() == cluster);
        found.unwrap_or_else(|| panic!("this World has no node of {cluster}"))
    }

    /// Every process that belongs to it.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        [&self.etcd]
            .into_iter()
            .chain(self.clusters.iter().flat_map(Cluster::processes))
            .chain(self.nodes.iter().flat_map(Node::processes))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ends_of_logs(self.processes());
        }
        self.nodes.clear();
        for process in self.clusters.iter().flat_map(Cluster::processes) {
            process.kill();
        }
        self.etcd.kill();
        // If this fails, the reaper tries again when this process ends.
        let _ = fs::remove_dir_all(&self.site.directory);
    }
}

fn start_etcd(site: &Site, url: &str) -> Result<Process, WorldError> {
    let directory = site.directory.join("etcd");
    Ok(Process::start(site::etcd(site, &directory, url)?)?)
}
