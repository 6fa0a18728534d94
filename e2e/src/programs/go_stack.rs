//! The families of the Go stack that benchmarks compare ours with. Nothing else needs them, so they
//! are not in [`super::ALL`] and are built for the first benchmark.

use super::family::{Family, PLAIN, Program};

/// Both families.
pub const GO_STACK: &[&Family] = &[&KONNECTIVITY, &CLUSTER_GATEWAY];

/// The tunnel, apiserver-network-proxy.
pub static KONNECTIVITY: Family = Family {
    name: "konnectivity",
    programs: &[
        Program {
            name: "proxy-server",
            package: "sigs.k8s.io/apiserver-network-proxy/cmd/server",
        },
        Program {
            name: "proxy-agent",
            package: "sigs.k8s.io/apiserver-network-proxy/cmd/agent",
        },
    ],
    ..PLAIN
};

/// The aggregated API server that proxies through it.
pub static CLUSTER_GATEWAY: Family = Family {
    name: "cluster-gateway",
    programs: &[Program {
        name: "cluster-gateway",
        package: "github.com/oam-dev/cluster-gateway/cmd/apiserver",
    }],
    ..PLAIN
};
