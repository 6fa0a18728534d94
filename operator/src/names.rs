//! Names that objects of ours have.

/// Who we are to server-side apply, and on the label of all that is ours.
pub(crate) const MANAGER: &str = "spokeway-operator";
/// Label of all that is ours, with [`MANAGER`].
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Annotation: a hash of what was applied, so that a field that is no longer wanted goes.
pub(crate) const APPLIED: &str = "gateway.open-cluster-management.io/applied";

/// The add-on that carries the agent, and alone has a registration.
pub(crate) const GATEWAY: &str = "cluster-gateway";
/// The add-on that stands for the tunnel.
pub(crate) const PROXY: &str = "cluster-proxy";
/// The add-on that stands for tokens.
pub(crate) const ACCOUNTS: &str = "managed-serviceaccount";

/// The agent: its Deployment, `ServiceAccount`, and its name in its user at the hub.
pub(crate) const AGENT: &str = "spokeway-agent";
/// The work that carries the agent.
pub(crate) const WORK: &str = "addon-cluster-gateway-deploy-0";
/// Name of the policy on who may grant, and of its binding.
pub(crate) const ACCESS_POLICY: &str = "spokeway-access-grants";
/// First part of the names of works that carry the rights of grants.
pub(crate) const ACCESS_WORK: &str = "spokeway-access-";
/// Namespace on managed clusters of the accounts of `ManagedServiceAccount`s.
pub(crate) const TOKEN_NAMESPACE: &str = "open-cluster-management-managed-serviceaccount";
/// What an agent may do in its cluster's namespace on the hub.
pub(crate) const TOKENS_ROLE: &str = "spokeway-agent-tokens";
/// What every agent may do at the gateway.
pub(crate) const TUNNEL_ROLE: &str = "spokeway-agent-tunnel";
/// The gateway's API.
pub(crate) const API_SERVICE: &str = "v1alpha1.cluster.core.oam.dev";

/// The gateway's server: its Deployment, `ServiceAccount` and the first part of its roles' names.
pub(crate) const SERVER: &str = "spokeway-gateway";
/// The server's Service.
pub(crate) const SERVICE: &str = "gateway";
/// The Secret of the authorities that the server's certificate comes from.
pub(crate) const AUTHORITY: &str = "spokeway-gateway-ca";
/// The Secret of the server's certificate.
pub(crate) const SERVING: &str = "spokeway-gateway-serving";
/// The server's Service for agents, at a load balancer.
pub(crate) const TUNNEL_SERVICE: &str = "spokeway-tunnel";
/// The Secret of the authorities that agents' certificates at the server's own entrance come from.
pub(crate) const TUNNEL_AUTHORITY: &str = "spokeway-tunnel-ca";
/// The Secret of what the server verifies them with.
pub(crate) const TUNNEL_CLIENTS: &str = "spokeway-tunnel-clients";
/// The key of that Secret.
pub(crate) const TUNNEL_BUNDLE: &str = "ca.crt";
/// Who signs them.
pub(crate) const TUNNEL_SIGNER: &str = "gateway.open-cluster-management.io/tunnel";
/// The Secret of the authorities that the certificate of the server's replicas comes from.
pub(crate) const PEER_AUTHORITY: &str = "spokeway-peer-ca";
/// The Secret of that certificate, and the Service by which the replicas find each other.
pub(crate) const PEERS: &str = "spokeway-peers";
/// Namespace of the Secrets of the manual mode.
pub(crate) const CREDENTIALS: &str = "open-cluster-management-credentials";
