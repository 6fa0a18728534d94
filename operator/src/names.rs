//! The names of the operator's objects.

/// The field manager for server-side apply, and the value of the label on all of the operator's
/// objects.
pub(crate) const MANAGER: &str = "spokeway-operator";
/// The label on all of the operator's objects. Its value is [`MANAGER`].
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Annotation with a hash of what was applied, so that a field that is no longer wanted is removed.
pub(crate) const APPLIED: &str = "gateway.open-cluster-management.io/applied";

/// Label of a cluster-scoped object that belongs to one cluster.
pub(crate) const FOR_CLUSTER: &str = "gateway.open-cluster-management.io/cluster";

/// The add-on that carries the agent. It is the only one that has a registration.
pub(crate) const GATEWAY: &str = "cluster-gateway";
/// The add-on that shows whether the cluster has a tunnel.
pub(crate) const PROXY: &str = "cluster-proxy";
/// The add-on that shows whether tokens for the cluster are managed.
pub(crate) const ACCOUNTS: &str = "managed-serviceaccount";

/// The agent's Deployment and `ServiceAccount`, and its name within its user at the hub.
pub(crate) const AGENT: &str = "spokeway-agent";
/// The work that carries the agent.
pub(crate) const WORK: &str = "addon-cluster-gateway-deploy-0";
/// The admission policy that checks who may grant, and its binding.
pub(crate) const ACCESS_POLICY: &str = "spokeway-access-grants";
/// The admission policy that checks what agents write to Secrets, and its binding.
pub(crate) const AGENT_POLICY: &str = "spokeway-agent-secrets";
/// The admission policy that checks who may say where the gateway is, and its binding.
pub(crate) const EXTERNAL_POLICY: &str = "spokeway-external-servers";
/// The admission policy by which the configuration is deleted before the operator, and its binding.
pub(crate) const LEAVING_POLICY: &str = "spokeway-leaving";
/// The prefix of the works that carry grants.
pub(crate) const ACCESS_WORK: &str = "spokeway-access-";
/// The namespace on managed clusters that has the accounts of `ManagedServiceAccount`s.
pub(crate) const TOKEN_NAMESPACE: &str = "open-cluster-management-managed-serviceaccount";
/// The role of an agent in its cluster's namespace on the hub.
pub(crate) const TOKENS_ROLE: &str = "spokeway-agent-tokens";
/// The role of every agent at the gateway.
pub(crate) const TUNNEL_ROLE: &str = "spokeway-agent-tunnel";
/// The `APIService` of the gateway.
pub(crate) const API_SERVICE: &str = "v1alpha1.cluster.core.oam.dev";

/// The gateway server's Deployment and `ServiceAccount`, and the prefix of its bindings.
pub(crate) const SERVER: &str = "spokeway-gateway";
/// The role by which the gateway server derives clusters, which also names the account.
pub(crate) const DERIVING_ROLE: &str = "spokeway-gateway-managed-clusters";
/// The gateway server's Service.
pub(crate) const SERVICE: &str = "gateway";
/// The Secret with the authorities that sign the server's certificate.
pub(crate) const AUTHORITY: &str = "spokeway-gateway-ca";
/// The Secret with the server's certificate.
pub(crate) const SERVING: &str = "spokeway-gateway-serving";
/// The server's Service for agents, with a load balancer.
pub(crate) const TUNNEL_SERVICE: &str = "spokeway-tunnel";
/// The Secret with the authorities that sign agents' certificates for the gateway's own entrance.
pub(crate) const TUNNEL_AUTHORITY: &str = "spokeway-tunnel-ca";
/// The Secret with the bundle that the server verifies those certificates with.
pub(crate) const TUNNEL_CLIENTS: &str = "spokeway-tunnel-clients";
/// The key of the bundle in that Secret.
pub(crate) const TUNNEL_BUNDLE: &str = "ca.crt";
/// The signer name of those certificates.
pub(crate) const TUNNEL_SIGNER: &str = "gateway.open-cluster-management.io/tunnel";
/// The Secret with the authorities that sign the certificate of the server's replicas.
pub(crate) const PEER_AUTHORITY: &str = "spokeway-peer-ca";
/// The Secret with that certificate, and the Service by which replicas find each other.
pub(crate) const PEERS: &str = "spokeway-peers";
/// The namespace of the Secrets that are used if credentials are managed by hand.
pub(crate) const CREDENTIALS: &str = "open-cluster-management-credentials";
