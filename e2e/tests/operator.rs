//! The operator on real Open Cluster Management: one object turns a plain hub into one where every
//! managed cluster is reachable.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "operator/approvals.rs"]
mod approvals;
#[path = "operator/can_i.rs"]
mod can_i;
#[path = "operator/can_i_rows.rs"]
mod can_i_rows;
#[path = "operator/entrance.rs"]
mod entrance;
#[path = "operator/granters.rs"]
mod granters;
#[path = "operator/grants.rs"]
mod grants;
#[path = "operator/guard.rs"]
mod guard;
#[path = "operator/hub.rs"]
mod hub;
#[path = "operator/leaving.rs"]
mod leaving;
#[path = "operator/life.rs"]
mod life;
#[path = "operator/loss.rs"]
mod loss;
#[path = "operator/matrix.rs"]
mod matrix;
#[path = "operator/migration.rs"]
mod migration;
#[path = "operator/older.rs"]
mod older;
#[path = "operator/others.rs"]
mod others;
#[path = "operator/permission.rs"]
mod permission;
#[path = "operator/policies.rs"]
mod policies;
#[path = "operator/replicas.rs"]
mod replicas;
#[path = "operator/rights.rs"]
mod rights;
#[path = "operator/self_managed.rs"]
mod self_managed;
#[path = "operator/server.rs"]
mod server;
#[path = "operator/silence.rs"]
mod silence;
#[path = "operator/stage.rs"]
mod stage;
#[path = "operator/uninstall.rs"]
mod uninstall;
#[path = "operator/walkthrough.rs"]
mod walkthrough;
