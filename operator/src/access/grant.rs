//! A grant as it was read, once, for all clusters.

use std::collections::BTreeSet;

use crds::gateway::{AccessGrant, ClusterChoice, OnCluster, Subject, SubjectKind};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::manifests::{self, Account};
use crate::{digest, manifest::Manifest};

/// A grant.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) object: AccessGrant,
    /// Which clusters it is for.
    pub(super) choice: ClusterChoice,
    /// Clusters that its status lists.
    listed: BTreeSet<String>,
    /// Its manifests, unless they differ from cluster to cluster: the gateway's account may.
    manifests: Option<Vec<Manifest>>,
    /// About how many bytes they are.
    pub(super) size: usize,
    /// Among works of a cluster.
    pub(super) place: usize,
}

impl Grant {
    /// Nothing where it cannot be read.
    pub(crate) fn read(object: &DynamicObject) -> Option<Self> {
        let mut object = serde_json::to_value(object).ok()?;
        object["apiVersion"] = "gateway.open-cluster-management.io/v1alpha1".into();
        object["kind"] = "AccessGrant".into();
        let object: AccessGrant = serde_json::from_value(object).ok()?;
        let choice = ClusterChoice::from(&object.spec.clusters);
        let states = object.status.iter().flat_map(|it| &it.cluster_states);
        let listed = states.map(|state| state.name.clone()).collect();
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let place = usize::try_from(digest::number(name.as_bytes()) & 0xffff).unwrap_or_default();
        let mut grant = Self {
            object,
            choice,
            listed,
            manifests: None,
            size: 0,
            place,
        };
        let manifests = manifests::of(&grant, Some(&Account::longest()));
        grant.size = manifests.iter().map(Manifest::size).sum();
        grant.manifests = Some(manifests).filter(|_| grant.can_name_all(None));
        Some(grant)
    }

    pub(super) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> i64 {
        self.object.metadata.generation.unwrap_or_default()
    }

    /// True where its status says something of the cluster.
    pub(super) fn lists(&self, cluster: &str) -> bool {
        self.listed.contains(cluster)
    }

    /// Its rights as objects of a cluster.
    pub(super) fn manifests(&self, account: Option<&Account>) -> Vec<Manifest> {
        let known = self.manifests.clone();
        known.unwrap_or_else(|| manifests::of(self, account))
    }

    /// Namespaces that it makes.
    pub(super) fn made_namespaces(&self) -> impl Iterator<Item = &str> {
        let namespaces = self.object.spec.namespaces.as_ref();
        let made = namespaces.filter(|namespaces| namespaces.create);
        made.into_iter()
            .flat_map(|it| it.names.iter().map(String::as_str))
    }

    /// Who has it, as a cluster knows them.
    pub(super) fn subjects(&self) -> impl Iterator<Item = OnCluster> {
        self.object.spec.subjects.iter().map(Subject::on_cluster)
    }

    /// False where it is for the gateway's account, and there is none.
    pub(super) fn can_name_all(&self, account: Option<&Account>) -> bool {
        let mut subjects = self.object.spec.subjects.iter();
        account.is_some() || !subjects.any(|it| it.kind == SubjectKind::Gateway)
    }
}

/// By what an object of a work is known as that of a grant.
pub(super) fn mark(grant: &Grant) -> Value {
    json!({
        super::shipped::GRANT: grant.name(),
        super::shipped::UID: grant.uid(),
        super::shipped::GENERATION: grant.generation().to_string(),
    })
}
