//! A way to a server: who calls where, and which processes are involved.

use std::fmt;

use e2e::Process;

use crate::{client::Client, plain};

/// The server that answers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Upstream {
    /// The plain server of the benchmark's own.
    Plain,
    /// The API server of a managed cluster.
    Spoke,
}

/// How a request gets there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Path {
    /// Directly.
    Direct,
    /// Through our gateway, without the hub.
    Door,
    /// Through the hub's API server and our gateway.
    Hub,
    /// Like [`Self::Door`] and [`Self::Hub`], but with a tunnel that is attached by mutual TLS at
    /// the gateway's own port.
    DoorPort,
    HubPort,
    /// Like [`Self::Door`], but at a replica without a tunnel, which passes the bytes to the one that
    /// has it.
    Passed,
    /// Through the Go gateway, without its hub.
    GoDoor,
    /// Through the API server of the Go gateway's hub, and then that gateway.
    GoHub,
}

/// The role of a process on its way. Two stacks may each have a process of the same role.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Role {
    Gateway,
    /// The replica that has no tunnel.
    Passing,
    /// konnectivity's end on the hub.
    Server,
    Agent,
    Hub,
    /// The server that answers: the plain upstream or the spoke's API server.
    Upstream,
}

/// One way.
#[derive(Clone, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) upstream: Upstream,
    pub(crate) path: Path,
    pub(crate) client: Client,
    /// Every process on it.
    pub(crate) processes: Vec<(Role, &'a Process)>,
}

impl Upstream {
    /// The path that a warm GET asks for.
    pub(crate) fn small(self) -> &'static str {
        match self {
            Self::Plain => plain::SMALL,
            Self::Spoke => "/api/v1/namespaces/default/configmaps/bench",
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Spoke => "spoke",
        })
    }
}

impl Role {
    /// The processes of a stack itself.
    pub(crate) const OWN: [Self; 4] = [Self::Gateway, Self::Passing, Self::Server, Self::Agent];
}

impl Path {
    /// Which stack's gateway it leads through.
    pub(crate) fn stack(self) -> &'static str {
        match self {
            Self::Direct => "no",
            Self::Door | Self::Hub | Self::DoorPort | Self::HubPort | Self::Passed => "our",
            Self::GoDoor | Self::GoHub => "Go",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Door => "door",
            Self::Hub => "hub",
            Self::DoorPort => "door, port",
            Self::HubPort => "hub, port",
            Self::Passed => "door, passed",
            Self::GoDoor => "Go door",
            Self::GoHub => "Go hub",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Passing => "passing gateway",
            Self::Server => "proxy-server",
            Self::Agent => "agent",
            Self::Hub => "hub",
            Self::Upstream => "upstream",
        })
    }
}

impl<'a> Way<'a> {
    /// The processes of the stack itself, which a direct way does not need.
    pub(crate) fn own(&self) -> impl Iterator<Item = (Role, &'a Process)> {
        let processes = self.processes.iter().copied();
        processes.filter(|(role, _)| Role::OWN.contains(role))
    }
}
