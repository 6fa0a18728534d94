//! The files of a node, and the configuration of containerd, CNI and kubelet.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{KUBELET_PORT, PAUSE_IMAGE};
use crate::{
    cluster::Cluster,
    fence::{BRIDGE, Side, names},
    process::Spec,
    site::Site,
};

/// A node's directory and the paths that follow from it.
pub(super) struct Layout {
    site: Arc<Site>,
    cluster: String,
    cluster_directory: PathBuf,
    directory: PathBuf,
    control_group: String,
    side: Side,
}

impl Layout {
    /// Creates the directory and writes every configuration into it.
    pub(super) fn create(cluster: &Cluster, on: Side) -> io::Result<Self> {
        let site = Arc::clone(cluster.site());
        let world = site.directory.file_name().unwrap_or_default();
        let layout = Self {
            control_group: format!("{}-{}", world.display(), cluster.name()),
            cluster: cluster.name().to_owned(),
            cluster_directory: cluster.directory().to_owned(),
            directory: cluster.directory().join("node"),
            site,
            side: on,
        };
        for below in ["lib", "log", "cni"] {
            fs::create_dir_all(layout.directory.join(below))?;
        }
        let write = |file: &str, text: String| fs::write(layout.directory.join(file), text);
        write("containerd.toml", layout.containerd_config())?;
        write("cni/pods.conflist", layout.cni_config().to_string())?;
        write("kubelet.json", layout.kubelet_config().to_string())?;
        Ok(layout)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn control_group(&self) -> &str {
        &self.control_group
    }

    pub(super) fn program(&self, name: &str) -> &Path {
        self.site.programs.path(name)
    }

    pub(super) fn containerd(&self) -> Spec {
        let args = vec![format!("--config={}", self.file("containerd.toml"))];
        self.spec("containerd", args)
    }

    pub(super) fn kubelet(&self) -> Spec {
        let kubeconfig = self.cluster_directory.join("kubelet.kubeconfig");
        let args = vec![
            format!("--config={}", self.file("kubelet.json")),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--hostname-override={}", self.cluster),
            format!("--node-ip={}", self.side.node_address()),
        ];
        self.spec("kubelet", args)
    }

    fn spec(&self, program: &str, args: Vec<String>) -> Spec {
        let name = format!("{program} of {}", self.cluster);
        Spec {
            args,
            ..self.site.spec(&name, program, &self.directory)
        }
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// State and sockets are below `/run`, which is private to the node.
    fn containerd_config(&self) -> String {
        let plugins = self.program("bridge").with_file_name("");
        let (plugins, runc) = (plugins.display(), self.program("runc").display());
        let shim = self.program("containerd-shim-runc-v2").display();
        let (root, networks) = (self.file("lib/containerd"), self.file("cni"));
        format!(
            r#"version = 3
root = "{root}"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt"]
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{plugins}"]
conf_dir = "{networks}"
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
runtime_path = "{shim}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
"#
        )
    }

    fn cni_config(&self) -> Value {
        let addresses = json!({
            "type": "host-local",
            "dataDir": self.file("lib/addresses"),
            "ranges": [[{"subnet": self.side.pod_range()}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        });
        json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [{
            "type": "bridge", "bridge": BRIDGE, "isGateway": true, "ipam": addresses,
        }]})
    }

    fn kubelet_config(&self) -> Value {
        let authority = self.cluster_directory.join("ca.crt");
        let address = self.side.node_address();
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": address,
            "clusterDNS": [address],
            "clusterDomain": names::DOMAIN,
            "port": KUBELET_PORT,
            "healthzPort": 0,
            "tlsCertFile": self.file("kubelet.crt"),
            "tlsPrivateKeyFile": self.file("kubelet.key"),
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": authority},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "volumePluginDir": self.file("lib/volume-plugins"),
            "resolvConf": "",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.control_group),
            "cgroupsPerQOS": false,
            "enforceNodeAllocatable": [],
            "failCgroupV1": false,
            "failSwapOn": false,
            "oomScoreAdj": 0,
            "protectKernelDefaults": true,
            "makeIPTablesUtilChains": false,
            "localStorageCapacityIsolation": false,
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "imagefs.available": "0%", "memory.available": "0%", "nodefs.available": "0%",
            },
        })
    }
}
