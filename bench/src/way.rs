//! A way to something that answers: who calls where, and which processes work for it.

use std::fmt;

use e2e::Process;

use crate::{client::Client, plain};

/// Who answers.
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
    /// Straight.
    Direct,
    /// Through our gateway, past the hub.
    Door,
    /// Through the hub's API server and our gateway.
    Hub,
    /// As [`Self::Door`] and [`Self::Hub`], the tunnel by mutual TLS at a port of the gateway's own.
    DoorPort,
    HubPort,
    /// Through the Go gateway, past its hub.
    GoDoor,
    /// Through the API server of the Go gateway's hub, and that gateway.
    GoHub,
}

/// What a process is for on its way; two stacks may each have one of a role.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Role {
    Gateway,
    /// konnectivity's end on the hub.
    Server,
    Agent,
    Hub,
    /// The plain upstream or the spoke's API server, whichever answers.
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
    /// What a warm GET asks it for.
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

impl Path {
    /// Whose gateway it leads through.
    pub(crate) fn stack(self) -> &'static str {
        match self {
            Self::Direct => "no",
            Self::Door | Self::Hub | Self::DoorPort | Self::HubPort => "our",
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
            Self::GoDoor => "Go door",
            Self::GoHub => "Go hub",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Server => "proxy-server",
            Self::Agent => "agent",
            Self::Hub => "hub",
            Self::Upstream => "upstream",
        })
    }
}

impl<'a> Way<'a> {
    /// The processes that are the stack's own, which a way without it does not need.
    pub(crate) fn own(&self) -> impl Iterator<Item = (Role, &'a Process)> {
        let own = |role| matches!(role, Role::Gateway | Role::Server | Role::Agent);
        self.processes
            .iter()
            .copied()
            .filter(move |(role, _)| own(*role))
    }
}
