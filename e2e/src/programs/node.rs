//! What a node takes beside a control plane, and what runs in its pods.

use super::family::{Family, KUBERNETES_STAMP, PLAIN, Program};

/// Every family of a node.
pub const NODE: &[&Family] = &[&CONTAINERD, &RUNC, &CNI, &KUBELET, &TESTIMAGE];

/// The kubelet, apart from the control plane, which most tests need without it.
pub static KUBELET: Family = Family {
    name: "kubelet",
    programs: &[Program {
        name: "kubelet",
        package: "k8s.io/kubernetes/cmd/kubelet",
    }],
    stamp: KUBERNETES_STAMP,
    ..PLAIN
};

/// The container runtime that the kubelet talks to.
pub static CONTAINERD: Family = Family {
    name: "containerd",
    programs: &[
        Program {
            name: "containerd",
            package: "github.com/containerd/containerd/v2/cmd/containerd",
        },
        Program {
            name: "containerd-shim-runc-v2",
            package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        },
        Program {
            name: "ctr",
            package: "github.com/containerd/containerd/v2/cmd/ctr",
        },
    ],
    tags: "no_btrfs,no_devmapper,no_zfs",
    ..PLAIN
};

/// What starts a container; no pod starts without seccomp, which is a C library.
pub static RUNC: Family = Family {
    name: "runc",
    programs: &[Program {
        name: "runc",
        package: "github.com/opencontainers/runc",
    }],
    tags: "seccomp",
    cgo: true,
    ..PLAIN
};

/// What gives a pod its network.
pub static CNI: Family = Family {
    name: "cni",
    programs: &[
        Program {
            name: "bridge",
            package: "github.com/containernetworking/plugins/plugins/main/bridge",
        },
        Program {
            name: "host-local",
            package: "github.com/containernetworking/plugins/plugins/ipam/host-local",
        },
        Program {
            name: "loopback",
            package: "github.com/containernetworking/plugins/plugins/main/loopback",
        },
    ],
    ..PLAIN
};

/// The one program in the images of our pods; its source is ours.
pub static TESTIMAGE: Family = Family {
    name: "testimage",
    programs: &[Program {
        name: "toolbox",
        package: "spokeway/control-plane/testimage/toolbox",
    }],
    ..PLAIN
};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::family::own_sources, TESTIMAGE};

    #[test]
    fn a_program_of_our_own_is_keyed_by_its_sources() {
        let sources = own_sources(&TESTIMAGE.module().join("toolbox")).unwrap();
        assert!(sources.iter().any(|path| path.ends_with("main.go")));
        assert!(own_sources(Path::new("/nowhere")).unwrap().is_empty());
    }
}
