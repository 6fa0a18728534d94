//! A grant, read once for all clusters.

mod manifests;
mod shipped;

use std::collections::BTreeSet;

use crds::gateway::{AccessGrant, ClusterChoice, OnHub, Subject};
use kube::core::DynamicObject;
use serde_json::{Value, json};

pub(crate) use self::shipped::{HeldGrant, Shipped};
use crate::{
    digest,
    kind::{Kind, ObjectKey},
    manifest::Manifest,
    names::ACCESS_WORK,
};

/// An `AccessGrant` that could be read.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) object: AccessGrant,
    /// Which clusters it selects.
    pub(crate) choice: ClusterChoice,
    /// The clusters that its status lists.
    listed: BTreeSet<String>,
    /// Its rights as objects of a cluster.
    pub(crate) manifests: Vec<Manifest>,
    /// Roughly how many bytes the manifests have.
    pub(crate) size: usize,
    /// The hash that chooses one of a cluster's works for it.
    pub(crate) shard: usize,
}

impl Grant {
    /// `None` if the grant cannot be read.
    pub(crate) fn read(object: &DynamicObject) -> Option<Self> {
        let mut object = serde_json::to_value(object).ok()?;
        object["apiVersion"] = "gateway.open-cluster-management.io/v1alpha1".into();
        object["kind"] = "AccessGrant".into();
        let object: AccessGrant = serde_json::from_value(object).ok()?;
        let choice = ClusterChoice::from(&object.spec.clusters);
        let states = object.status.iter().flat_map(|it| &it.cluster_states);
        let listed = states.map(|state| state.name.clone()).collect();
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let shard = usize::try_from(digest::number(name.as_bytes()) & 0xffff).unwrap_or_default();
        let mut grant = Self {
            object,
            choice,
            listed,
            manifests: Vec::new(),
            size: 0,
            shard,
        };
        grant.manifests = manifests::of(&grant);
        grant.size = grant.manifests.iter().map(Manifest::size).sum();
        Some(grant)
    }

    /// Its bindings with no subjects, which come before they are deleted.
    pub(crate) fn emptied(&self) -> Vec<Manifest> {
        manifests::of_nobody(self)
    }

    /// True if the work has objects of the grant with the names that they have now.
    pub(crate) fn owns(&self, held: &HeldGrant) -> bool {
        held.uid == self.uid() && held.objects == manifests::name(self)
    }

    pub(crate) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(crate) fn generation(&self) -> i64 {
        self.object.metadata.generation.unwrap_or_default()
    }

    /// True if its status lists the cluster.
    pub(crate) fn lists(&self, cluster: &str) -> bool {
        self.listed.contains(cluster)
    }

    /// The namespaces that it creates.
    pub(crate) fn made_namespaces(&self) -> impl Iterator<Item = &str> {
        let namespaces = self.object.spec.namespaces.as_ref();
        let made = namespaces.filter(|namespaces| namespaces.create);
        made.into_iter()
            .flat_map(|it| it.names.iter().map(String::as_str))
    }

    /// Its subjects, as the hub knows them.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = OnHub> {
        self.object.spec.subjects.iter().map(Subject::on_hub)
    }
}

/// The annotations that identify an object of a work as belonging to this grant.
fn mark(grant: &Grant) -> Value {
    json!({
        shipped::GRANT: grant.name(),
        shipped::UID: grant.uid(),
        shipped::GENERATION: grant.generation().to_string(),
    })
}

/// True for works that carry grants.
pub(crate) fn is_access_work(key: &ObjectKey) -> bool {
    key.kind == Kind::ManifestWork && key.name.starts_with(ACCESS_WORK)
}
