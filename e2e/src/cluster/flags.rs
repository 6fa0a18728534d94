//! The command lines of a kube-apiserver and a kube-controller-manager, as values. They have what a
//! cluster on loopback needs, and nothing that costs start-up time and that no test needs.

use std::{net::SocketAddrV4, path::Path};

/// The controllers that run: those that the aggregation layer, RBAC, service accounts and OCM's
/// registration depend on.
const CONTROLLERS: &[&str] = &[
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
    "certificatesigningrequest-signing-controller",
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
];

/// The further controllers that pods and their owners need.
const POD_CONTROLLERS: &[&str] = &[
    "deployment-controller",
    "endpointslice-controller",
    "job-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
];

/// A cluster's certificates and keys by file name. [`super::Cluster`] writes them.
pub(super) struct Files<'a>(pub(super) &'a Path);

impl Files<'_> {
    fn flag(&self, flag: &str, file: &str) -> String {
        format!("--{flag}={}", self.0.join(file).display())
    }
}

pub(super) fn apiserver(
    files: &Files<'_>,
    etcd: &str,
    prefix: &str,
    address: SocketAddrV4,
) -> Vec<String> {
    let mut args = vec![
        format!("--etcd-servers={etcd}"),
        format!("--etcd-prefix=/{prefix}"),
        format!("--bind-address={}", address.ip()),
        format!("--secure-port={}", address.port()),
        files.flag("client-ca-file", "ca.crt"),
        files.flag("tls-cert-file", "apiserver.crt"),
        files.flag("tls-private-key-file", "apiserver.key"),
        files.flag("service-account-key-file", "service-account.pub"),
        files.flag("service-account-signing-key-file", "service-account.key"),
        files.flag("requestheader-client-ca-file", "front-proxy-ca.crt"),
        files.flag("proxy-client-cert-file", "front-proxy-client.crt"),
        files.flag("proxy-client-key-file", "front-proxy-client.key"),
    ];
    let fixed = [
        "--endpoint-reconciler-type=none",
        "--advertise-address=198.51.100.1",
        "--external-hostname=localhost",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--profiling=false",
    ];
    args.extend(fixed.map(str::to_owned));
    args
}

pub(super) fn controller_manager(files: &Files<'_>) -> Vec<String> {
    let mut args = vec![
        format!("--controllers={}", CONTROLLERS.join(",")),
        files.flag("kubeconfig", "controller-manager.kubeconfig"),
        files.flag("root-ca-file", "ca.crt"),
        files.flag("service-account-private-key-file", "service-account.key"),
        // Only the signer that OCM uses is on, because each signer takes an inotify instance, and a
        // user has 128 of them by default.
        files.flag("cluster-signing-kube-apiserver-client-cert-file", "ca.crt"),
        files.flag("cluster-signing-kube-apiserver-client-key-file", "ca.key"),
    ];
    let fixed = [
        // Nobody calls it. Its log and the API show what it does.
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        "--profiling=false",
    ];
    args.extend(fixed.map(str::to_owned));
    args
}

/// The file with the audit policy of an API server.
pub(super) const AUDIT_POLICY: &str = "audit-policy.json";
/// The file of the audit log.
pub(super) const AUDIT_LOG: &str = "audit.log";

/// The further flag of an API server that closes connections in good order now and then.
pub(super) const RESTLESS: &str = "--goaway-chance=0.02";

/// The further flags of an API server that keeps an audit log.
pub(super) fn audit(files: &Files<'_>) -> Vec<String> {
    vec![
        files.flag("audit-policy-file", AUDIT_POLICY),
        files.flag("audit-log-path", AUDIT_LOG),
    ]
}

/// The further flags of an API server whose cluster has a node.
pub(super) fn apiserver_with_node(files: &Files<'_>) -> Vec<String> {
    vec![
        files.flag("kubelet-certificate-authority", "ca.crt"),
        files.flag("kubelet-client-certificate", "kubelet-client.crt"),
        files.flag("kubelet-client-key", "kubelet-client.key"),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--allow-privileged=true".to_owned(),
        // There is no kube-proxy, so processes cannot reach services by their addresses.
        "--enable-aggregator-routing=true".to_owned(),
    ]
}

/// Makes the controller manager run the controllers of pods, too.
pub(super) fn add_pod_controllers(args: &mut [String]) {
    let controllers = args
        .iter_mut()
        .find(|arg| arg.starts_with("--controllers="));
    if let Some(controllers) = controllers {
        *controllers = format!("{controllers},{}", POD_CONTROLLERS.join(","));
    }
}
