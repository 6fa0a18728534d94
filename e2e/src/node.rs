//! A real node for a cluster behind a [`Fence`]: containerd, a kubelet and a scheduler, in a mount
//! and PID namespace of their own, so that shims, containers and mounts go with one process.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use images::{Image, PathTooLong, Tree};
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::Api;

use crate::{
    cluster::{Cluster, Credentials, write_identity},
    eventually::chain,
    fence::{self, CommandError, Fence, Side, names::NameServer},
    pki::PkiError,
    process::{Process, ProcessError, Spec, reaper},
};

mod config;
mod control_group;
mod obstacle;

use config::Layout;
use control_group::ControlGroup;
pub use obstacle::obstacle;

/// The image of every pod, which contains only the toolbox of
/// [`TESTIMAGE`](crate::programs::TESTIMAGE).
pub const IMAGE: &str = "spokeway.test/toolbox:1";
/// The commands that the toolbox is linked as.
const LINKS: [&str; 6] = ["sh", "cat", "tar", "test", "sleep", "echo"];
const PAUSE_IMAGE: &str = "spokeway.test/pause:1";
/// Where the kubelet listens.
pub const KUBELET_PORT: u16 = 10250;
const READY_WITHIN: Duration = Duration::from_mins(1);

/// The script of the first process of the PID namespace, which adopts the orphans of shims.
///
/// The kubelet writes sysctls of the whole machine unless they already have the values that it
/// wants.
const CELL: &str = r"
    cd $1
    mount -t tmpfs tmpfs /run
    mount --bind lib /var/lib
    mount --bind log /var/log
    for sysctl in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1
    do
        file=$(echo ${sysctl%=*} | tr / -)
        echo ${sysctl#*=} >$file
        mount --bind $file /proc/sys/${sysctl%=*}
    done
    echo up
    while :; do sleep 3600 & wait; done";

/// A running node. All of it is removed when it is dropped.
#[derive(Debug)]
pub struct Node {
    cluster: String,
    // The processes, in the order in which they must end.
    scheduler: Process,
    kubelet: Process,
    containerd: Process,
    cell: Process,
    ctr: PathBuf,
    _control_group: ControlGroup,
    _names: NameServer,
    _fence: Arc<Fence>,
}

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The cluster is not behind a fence.
    #[error("a node needs a cluster behind a fence")]
    NoFence,
    /// Its files could not be written.
    #[error("cannot lay out the node's directory")]
    Files(#[from] io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A process did not start or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The pods' image could not be made.
    #[error(transparent)]
    Image(#[from] PathTooLong),
    /// The image could not be imported.
    #[error(transparent)]
    Import(#[from] CommandError),
}

impl Node {
    /// Starts a node of `cluster`, and waits until it is Ready.
    pub(crate) async fn start(cluster: &Cluster) -> Result<Self, NodeError> {
        let (fence, side) = cluster.node_place().ok_or(NodeError::NoFence)?;
        let fence = Arc::clone(fence);
        let layout = Layout::create(cluster, side)?;
        fence.serve_kubernetes(side, cluster.address())?;
        let names = NameServer::start(&fence, side)?;
        let control_group = ControlGroup::named(layout.control_group());
        reaper::uproot(layout.control_group())?;
        let cell = start_cell(&layout, &fence, side).await?;
        let inside = Inside(&cell);
        let containerd = Process::start(inside.spec(layout.containerd()))?;
        import(&layout, &inside, &containerd).await?;
        write_kubelet_credentials(cluster, &layout, side)?;
        let kubelet = Process::start(inside.spec(layout.kubelet()))?;
        let scheduler = start_scheduler(cluster, &fence, side)?;
        let node = Self {
            cluster: cluster.name().to_owned(),
            scheduler,
            kubelet,
            containerd,
            cell,
            ctr: layout.program("ctr").to_owned(),
            _control_group: control_group,
            _names: names,
            _fence: fence,
        };
        cluster.on_its_side(|| node.is_ready(cluster)).await?;
        Ok(node)
    }

    async fn is_ready(&self, cluster: &Cluster) -> Result<(), ProcessError> {
        let nodes = Api::<NodeObject>::all(cluster.client());
        let name = cluster.name();
        let probe = || async {
            let node = nodes.get(name).await.map_err(|error| chain(&error))?;
            let conditions = node.status.and_then(|status| status.conditions);
            let ready = conditions
                .into_iter()
                .flatten()
                .find(|it| it.type_ == "Ready");
            match ready {
                Some(ready) if ready.status == "True" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        };
        self.kubelet.ready(READY_WITHIN, probe).await
    }

    /// The name of its cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Imports the images of an OCI archive, so that pods of the cluster can use them.
    pub fn import(&self, archive: &Path) -> Result<(), CommandError> {
        Inside(&self.cell).import(&self.ctr, archive)
    }

    /// Imports an archive with one image, also under its digest, as if it had been pulled.
    pub fn import_with_digest(
        &self,
        archive: &Path,
        name: &str,
        digest: &str,
    ) -> Result<(), CommandError> {
        self.import(archive)?;
        let repository = name
            .rsplit_once(':')
            .map_or(name, |(repository, _)| repository);
        let by_digest = format!("{repository}@{digest}");
        let args = ["-n", "k8s.io", "images", "tag", name, &by_digest];
        let inside = Inside(&self.cell);
        inside.run("naming an image", &self.ctr, &args).map(drop)
    }

    /// Its processes. A process comes before those that it depends on.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        [&self.scheduler, &self.kubelet, &self.containerd, &self.cell].into_iter()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for process in self.processes() {
            process.kill();
        }
    }
}

/// The namespaces of the node.
struct Inside<'a>(&'a Process);

impl Inside<'_> {
    fn args(&self) -> [String; 3] {
        let pid = self.0.pid().unwrap_or_default();
        let namespace = |flag, name| format!("--{flag}=/proc/{pid}/ns/{name}");
        [
            namespace("net", "net"),
            namespace("mount", "mnt"),
            namespace("pid", "pid_for_children"),
        ]
    }

    /// The same program inside these namespaces.
    fn spec(&self, spec: Spec) -> Spec {
        let program = spec.program.display().to_string();
        let args = self.args().into_iter().chain([program]);
        Spec {
            program: PathBuf::from("nsenter"),
            args: args.chain(spec.args).collect(),
            ..spec
        }
    }

    fn import(&self, ctr: &Path, archive: &Path) -> Result<(), CommandError> {
        let archive = archive.display().to_string();
        let args = ["-n", "k8s.io", "images", "import", &archive];
        self.run("importing images", ctr, &args).map(drop)
    }

    fn run(&self, what: &str, program: &Path, args: &[&str]) -> Result<String, CommandError> {
        let mut command = Command::new("nsenter");
        command.args(self.args()).arg(program).args(args);
        fence::succeed(what, &mut command, "")
    }
}

async fn start_cell(layout: &Layout, fence: &Fence, side: Side) -> Result<Process, ProcessError> {
    let directory = layout.directory().display().to_string();
    let args = [
        "--mount",
        "--propagation=private",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-euc",
        CELL,
        "cell",
        &directory,
    ];
    let log = layout.directory().join("cell.log");
    let cell = Process::start(fence.on(
        side,
        Spec {
            name: "the node's namespaces".to_owned(),
            program: PathBuf::from("unshare"),
            args: args.map(str::to_owned).to_vec(),
            env: Vec::new(),
            directory: layout.directory().to_owned(),
            log: log.clone(),
        },
    ))?;
    let probe = || async {
        let said = fs::read_to_string(&log).unwrap_or_default();
        if said.contains("up\n") {
            Ok(())
        } else {
            Err(said)
        }
    };
    cell.ready(READY_WITHIN, probe).await?;
    Ok(cell)
}

async fn import(
    layout: &Layout,
    inside: &Inside<'_>,
    containerd: &Process,
) -> Result<(), NodeError> {
    let archive = layout.directory().join("images.tar");
    fs::write(&archive, toolbox(fs::read(layout.program("toolbox"))?)?)?;
    let ctr = layout.program("ctr");
    let version = || async { inside.run("ctr version", ctr, &["version"]) };
    containerd.ready(READY_WITHIN, version).await?;
    inside.import(ctr, &archive)?;
    Ok(())
}

/// An archive with the images of pods and of their sandboxes.
fn toolbox(program: Vec<u8>) -> Result<Vec<u8>, PathTooLong> {
    let mut files = Tree::default();
    files.file("bin/toolbox", 0o755, program)?;
    files.directory("tmp", 0o777)?;
    for link in LINKS {
        files.link(&format!("bin/{link}"), "bin/toolbox")?;
    }
    let image = |name: &str, command: &str| Image {
        name: name.to_owned(),
        entrypoint: vec!["toolbox".to_owned()],
        command: vec![command.to_owned()],
        environment: vec!["PATH=/bin".to_owned()],
        ..Image::default()
    };
    let images = [image(IMAGE, "sleep"), image(PAUSE_IMAGE, "pause")];
    Ok(images::archive(&files, &images).bytes)
}

fn write_kubelet_credentials(
    cluster: &Cluster,
    layout: &Layout,
    side: Side,
) -> Result<(), NodeError> {
    let name = cluster.name();
    let address = side.node_address().to_string();
    let serving = cluster.cluster_ca().issue_server(&[name, &address])?;
    write_identity(layout.directory(), "kubelet", &serving)?;
    let node = cluster.certificate_of(&format!("system:node:{name}"), &["system:nodes"])?;
    write_kubeconfig(cluster, "kubelet", &node)?;
    Ok(())
}

fn start_scheduler(cluster: &Cluster, fence: &Fence, side: Side) -> Result<Process, NodeError> {
    let user = cluster.certificate_of("system:kube-scheduler", &[])?;
    let kubeconfig = write_kubeconfig(cluster, "scheduler", &user)?;
    let name = format!("kube-scheduler of {}", cluster.name());
    let spec = cluster
        .site()
        .spec(&name, "kube-scheduler", cluster.directory());
    let args = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
    ];
    Ok(Process::start(fence.on(side, Spec { args, ..spec }))?)
}

fn write_kubeconfig(cluster: &Cluster, file: &str, user: &Credentials) -> io::Result<PathBuf> {
    let file = format!("{file}.kubeconfig");
    cluster.write_kubeconfig(&file, cluster.url(), &cluster.ca_pem(), user)
}
