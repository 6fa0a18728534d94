//! Two network namespaces, the hub's side and the spoke's side. They are joined by a veth pair
//! whose firewall lets only the spoke dial.
//!
//! Neither has a name. Each is held by a process, and disappears with its links and rules when the
//! last process in it ends. The machine's own network is not changed.

use std::{
    fs::{self, File},
    future::Future,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::{
    host,
    process::{Process, ProcessError, Spec, reaper},
};

pub(crate) mod names;

/// The hub's end of the veth pair, for the spoke to dial.
pub const HUB_ADDRESS: &str = "192.0.2.1";
const HUB: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The spoke's end of it.
pub const SPOKE_ADDRESS: &str = "192.0.2.2";
/// The spoke's address on its pods' bridge, which is also its node's.
pub const NODE_ADDRESS: &str = "10.88.0.1";
/// The name of the pods' bridge on either side.
pub(crate) const BRIDGE: &str = "cni0";

const READY_WITHIN: Duration = Duration::from_secs(10);
const HOLD: &str = "ip link set lo up && echo up && exec sleep infinity";
/// With this route only the firewall keeps the hub from the node and its pods.
const HUB_LINK: &str = "\
    ip link add to-spoke type veth peer name to-hub netns $1
    ip address add $2/30 dev to-spoke
    ip link set to-spoke up
    ip route add $4 via $3";
const SPOKE_LINK: &str = "\
    ip address add $1/30 dev to-hub
    ip link set to-hub up
    nft -f -";
const PODS: &str = "\
    ip link add $1 type bridge
    ip address add $2/24 dev $1
    ip link set $1 up";
const KUBERNETES: &str = "\
table ip services {
    chain prerouting {
        type nat hook prerouting priority dstnat
        ip daddr 10.96.0.1 tcp dport 443 dnat to SERVER
    }
}
";
const FIREWALL: &str = "\
table inet fence {
    chain input {
        type filter hook input priority filter
        iifname to-hub ct state established,related accept
        iifname to-hub counter drop
    }
    chain forward {
        type filter hook forward priority filter
        iifname to-hub ct state established,related accept
        iifname to-hub counter drop
    }
}
";

/// One of the two sides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The hub's side, which cannot dial the other one.
    Hub,
    /// The spoke's side, which can dial the other one.
    Spoke,
}

/// The two sides. They disappear after this is dropped and nothing runs there any more.
#[derive(Debug)]
pub struct Fence {
    hub: Process,
    spoke: Process,
    _directory: TempDir,
}

/// Why there is no fence.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// There is no directory for its logs.
    #[error("cannot lay out the fence's directory")]
    Directory(#[source] io::Error),
    /// A namespace could not be created.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A link or a rule could not be created.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A thread could not enter a namespace.
    #[error("cannot enter the network namespace")]
    Enter(#[source] io::Error),
}

/// Why a short command failed.
#[derive(Debug, thiserror::Error)]
#[error("{what} failed: {why}")]
pub struct CommandError {
    what: String,
    why: String,
}

impl Side {
    /// The address of a node on that side, on its pods' bridge.
    pub(crate) fn node_address(self) -> Ipv4Addr {
        match self {
            Self::Hub => Ipv4Addr::new(10, 89, 0, 1),
            Self::Spoke => Ipv4Addr::new(10, 88, 0, 1),
        }
    }

    /// The network of its pods.
    pub(crate) fn pod_range(self) -> &'static str {
        match self {
            Self::Hub => "10.89.0.0/24",
            Self::Spoke => "10.88.0.0/24",
        }
    }
}

impl Fence {
    /// Creates both sides and joins them.
    pub async fn new() -> Result<Arc<Self>, FenceError> {
        let directory = tempfile::Builder::new()
            .prefix("spokeway-fence-")
            .tempdir()
            .map_err(FenceError::Directory)?;
        reaper::sweep(directory.path()).map_err(FenceError::Directory)?;
        let fence = Self {
            hub: namespace("hub", directory.path()).await?,
            spoke: namespace("spoke", directory.path()).await?,
            _directory: directory,
        };
        fence.join()?;
        Ok(Arc::new(fence))
    }

    fn join(&self) -> Result<(), CommandError> {
        let spoke = self.spoke.pid().unwrap_or_default().to_string();
        let pods = Side::Spoke.pod_range();
        let hub_link = [&spoke, HUB_ADDRESS, SPOKE_ADDRESS, pods];
        script(&self.hub, HUB_LINK, &hub_link, "")?;
        script(&self.spoke, SPOKE_LINK, &[SPOKE_ADDRESS], FIREWALL)?;
        for side in [Side::Hub, Side::Spoke] {
            let address = side.node_address().to_string();
            script(self.side(side), PODS, &[BRIDGE, &address], "")?;
        }
        Ok(())
    }

    /// The address where an API server on the hub's side must listen, so that both sides can reach
    /// it.
    pub fn hub_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(HUB, host::free_port())
    }

    /// The address where an API server on the spoke's side must listen, so that its node and pods
    /// can reach it.
    pub fn node_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Side::Spoke.node_address(), host::free_port())
    }

    /// Moves the calling thread to the hub's side for good, with everything that it connects, binds
    /// and starts from now on.
    pub fn enter_hub_side(&self) -> Result<(), FenceError> {
        enter(&self.hub).map_err(FenceError::Enter)
    }

    /// Runs `work` on the spoke's side, with a runtime and a thread of its own. The calling thread
    /// waits for it.
    ///
    /// # Panics
    /// If `work` panics, or its thread cannot enter the namespace.
    pub fn on_spoke_side<T, F>(&self, work: impl FnOnce() -> F + Send) -> T
    where
        T: Send,
        F: Future<Output = T>,
    {
        let over_there = || {
            enter(&self.spoke).expect("the namespace is ours and held");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime without threads");
            runtime.block_on(work())
        };
        thread::scope(|scope| scope.spawn(over_there).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Lets the pods of a side reach its API server by the address of the Service, as kube-proxy
    /// would.
    pub(crate) fn serve_kubernetes(
        &self,
        side: Side,
        server: SocketAddrV4,
    ) -> Result<(), CommandError> {
        let rules = KUBERNETES.replace("SERVER", &server.to_string());
        script(self.side(side), "nft -f -", &[], &rules)
    }

    /// A thread that stays on a side.
    pub(crate) fn thread<T: Send + 'static>(
        self: &Arc<Self>,
        side: Side,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<io::Result<T>> {
        let fence = Arc::clone(self);
        thread::spawn(move || {
            enter(fence.side(side))?;
            Ok(work())
        })
    }

    fn side(&self, side: Side) -> &Process {
        match side {
            Side::Hub => &self.hub,
            Side::Spoke => &self.spoke,
        }
    }

    /// The same program on that side.
    pub(crate) fn on(&self, side: Side, spec: Spec) -> Spec {
        let program = spec.program.display().to_string();
        let args = [format!("--net={}", namespace_of(self.side(side))), program];
        Spec {
            program: PathBuf::from("nsenter"),
            args: args.into_iter().chain(spec.args).collect(),
            ..spec
        }
    }
}

async fn namespace(side: &str, directory: &Path) -> Result<Process, ProcessError> {
    let log = directory.join(side);
    let process = Process::start(Spec {
        name: format!("network namespace of the {side}'s side"),
        program: PathBuf::from("unshare"),
        args: ["--net", "sh", "-c", HOLD].map(str::to_owned).to_vec(),
        env: Vec::new(),
        directory: directory.to_owned(),
        log: log.clone(),
    })?;
    let probe = || async {
        let said = fs::read_to_string(&log).unwrap_or_default();
        if said.contains("up\n") {
            Ok(())
        } else {
            Err(said)
        }
    };
    process.ready(READY_WITHIN, probe).await?;
    Ok(process)
}

fn enter(side: &Process) -> io::Result<()> {
    let namespace = File::open(namespace_of(side))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

fn namespace_of(side: &Process) -> String {
    format!("/proc/{}/ns/net", side.pid().unwrap_or_default())
}

fn script(side: &Process, text: &str, args: &[&str], stdin: &str) -> Result<(), CommandError> {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", namespace_of(side)))
        .args(["sh", "-euc", text, "sh"])
        .args(args);
    succeed("joining the two sides", &mut command, stdin).map(drop)
}

/// Runs a short command to its end. The error contains its output.
pub(crate) fn succeed(
    what: &str,
    command: &mut Command,
    stdin: &str,
) -> Result<String, CommandError> {
    let failed = |why: String| CommandError {
        what: what.to_owned(),
        why,
    };
    let output = feed(command, stdin).map_err(|error| failed(error.to_string()))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    let why = format!("{}: {}", output.status, said(&output.stderr));
    Err(failed(why))
}

fn feed(command: &mut Command, stdin: &str) -> io::Result<Output> {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn()?;
    let mut pipe = child.stdin.take().expect("stdin is piped");
    // If it ends without reading its input, its output says why.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    child.wait_with_output()
}
