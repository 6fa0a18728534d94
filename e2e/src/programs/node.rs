//! The programs that a node needs in addition to a control plane, and those in its pods.

use super::family::{Family, KUBERNETES_STAMP, PLAIN, Program};

/// Every family of a node.
pub const NODE: &[&Family] = &[&CONTAINERD, &RUNC, &CNI, &KUBELET, &TESTIMAGE];

/// The kubelet. It is not part of the control plane, because most tests do not need it.
pub static KUBELET: Family = Family {
    name: "kubelet",
    programs: &[Program {
        name: "kubelet",
        package: "k8s.io/kubernetes/cmd/kubelet",
    }],
    stamp: KUBERNETES_STAMP,
    ..PLAIN
};

/// The container runtime that the kubelet uses.
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

/// The program that starts a container. No pod starts without seccomp, which is a C library.
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

/// The CNI plugins, which give a pod its network.
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

/// The only program in the images of our pods. Its source is ours.
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
