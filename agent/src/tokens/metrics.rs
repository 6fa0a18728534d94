//! The metrics of tokens. No label has the name of an account, so gauges show only the worst one.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The metrics. Clones share their counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) accounts: Gauge,
    pub(crate) earliest_expiry: Gauge,
    pub(crate) oldest_issue: Gauge,
    pub(crate) issued: Counter,
    pub(crate) revoked: Counter,
    pub(crate) abandoned: Counter,
    pub(crate) dropped_events: Counter,
    pub(crate) failures: Family<Reason, Counter>,
    pub(crate) calls: Family<Call, Counter>,
}

/// Why something failed. There is a fixed set of reasons.
#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

/// The call and its API server.
#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(crate) struct Call {
    pub(crate) server: &'static str,
    pub(crate) call: &'static str,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("agent_tokens");
        let help = "ManagedServiceAccounts of this cluster";
        registry.register("accounts", help, metrics.accounts.clone());
        let help = "Unix time when the first of all tokens expires; 0 if there is none";
        let name = "earliest_expiry_timestamp_seconds";
        registry.register(name, help, metrics.earliest_expiry.clone());
        let help = "Unix time when the oldest of all tokens was issued; 0 if there is none";
        registry.register(
            "oldest_issue_timestamp_seconds",
            help,
            metrics.oldest_issue.clone(),
        );
        let help = "Tokens that were issued and written to a Secret";
        registry.register("issued", help, metrics.issued.clone());
        let help = "ServiceAccounts that were deleted, which revokes their tokens";
        registry.register("revoked", help, metrics.revoked.clone());
        let help = "Accounts that were deleted before their token was revoked";
        registry.register("abandoned", help, metrics.abandoned.clone());
        let help = "Events that were dropped because the queue was full";
        registry.register("dropped_events", help, metrics.dropped_events.clone());
        let help = "Calls that failed, by reason";
        registry.register("failures", help, metrics.failures.clone());
        let help =
            "Calls to the API servers of the hub and of the managed cluster, without watches";
        registry.register("api_calls", help, metrics.calls.clone());
        metrics
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.failures.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn called(&self, server: &'static str, call: &'static str) {
        self.calls.get_or_create(&Call { server, call }).inc();
    }
}
