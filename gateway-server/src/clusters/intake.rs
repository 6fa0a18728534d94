//! One follower for each kind of object on the hub that tells of managed clusters.

use std::marker::PhantomData;

use crds::{authentication::ManagedServiceAccount, cluster::ManagedCluster};
use k8s_openapi::api::core::v1::Secret;

use super::{
    Clusters,
    inventory::{Accounts, ManagedClusters, Manual, Source, Tokens},
};
use crate::follow::follower::Follower;

/// Passes the objects of one source to the clusters.
struct ToldBy<'a, S>(&'a Clusters, PhantomData<S>);

impl Clusters {
    /// Follows the Secrets of the manual mode.
    pub(crate) fn manual(&self) -> impl Follower<Object = Secret> {
        ToldBy::<Manual>(self, PhantomData)
    }

    /// Follows the `ManagedCluster`s.
    pub(crate) fn managed_clusters(&self) -> impl Follower<Object = ManagedCluster> {
        ToldBy::<ManagedClusters>(self, PhantomData)
    }

    /// Follows the `ManagedServiceAccount`s.
    pub(crate) fn accounts(&self) -> impl Follower<Object = ManagedServiceAccount> {
        ToldBy::<Accounts>(self, PhantomData)
    }

    /// Follows the Secrets of `ManagedServiceAccount`s.
    pub(crate) fn tokens(&self) -> impl Follower<Object = Secret> {
        ToldBy::<Tokens>(self, PhantomData)
    }
}

impl<S: Source> Follower for ToldBy<'_, S> {
    type Object = S::Object;
    const WHAT: &'static str = S::WHAT;
    const IS_OPTIONAL: bool = S::IS_OPTIONAL;

    fn reset(&self, objects: &[S::Object]) {
        self.0.reset::<S>(objects);
    }

    fn has_no_kind(&self) {
        self.0.has_no_kind::<S>();
    }

    fn apply(&self, object: &S::Object) {
        self.0.apply::<S>(object);
    }

    fn remove(&self, object: &S::Object) {
        self.0.remove::<S>(object);
    }
}
