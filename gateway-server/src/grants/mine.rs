//! What a caller has on which clusters, as the caller itself is told. Grants to everybody who may use
//! the gateway are left out, so that nobody learns the name of a cluster from them. Pure.

use std::collections::BTreeMap;

use crds::{
    ClusterName,
    cluster_core::MyGrant,
    gateway::{GrantState, OnHub},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    ledger::{Held, Ledger},
    reading::State,
};
use crate::authentication::User;

/// The grants of a caller that have not ended, by cluster and name.
pub(super) fn mine(ledger: &Ledger, caller: &User) -> BTreeMap<ClusterName, Vec<MyGrant>> {
    let is = |who: &OnHub| match who {
        OnHub::User(name) => *name == caller.name,
        OnHub::Group(name) => caller.groups.iter().any(|group| group == name),
        OnHub::Everyone => false,
    };
    let mut mine = BTreeMap::<_, Vec<_>>::new();
    for (cluster, held) in ledger.held_by(is) {
        if let Some(grant) = told(held) {
            mine.entry(cluster.clone()).or_default().push(grant);
        }
    }
    for grants in mine.values_mut() {
        grants.sort_by(|one, other| one.name.cmp(&other.name));
    }
    mine
}

/// `None` if it no longer counts.
fn told(held: Held<'_>) -> Option<MyGrant> {
    let Held { reading, obstacle } = held;
    let state = match obstacle.map(|it| it.state) {
        None => GrantState::Applied,
        Some(State::Pending) => GrantState::Pending,
        Some(State::Failed) => GrantState::Failed,
        Some(State::Over) => return None,
    };
    let role = reading.role.cluster_role.as_deref();
    Some(MyGrant {
        name: reading.name.clone(),
        role: role.unwrap_or("rules").to_owned(),
        namespaces: reading.namespaces.to_vec(),
        state,
        message: obstacle.map_or_else(String::new, |it| it.why.clone()),
        expires_at: reading.ends().map(Time),
    })
}
