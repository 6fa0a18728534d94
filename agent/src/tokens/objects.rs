//! The three kinds of objects, reduced to what plans read, so that 300 of them fit a small agent.
//! Reading never fails: an invalid value is kept as a fault of that one object.

use std::collections::BTreeMap;

use crds::authentication::{
    CA_KEY, GROUP, LABEL, ManagedServiceAccount, ManagedServiceAccountStatus, TOKEN_KEY, Validity,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Secret as KubeSecret, ServiceAccount as KubeServiceAccount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::core::DynamicObject;

use super::{
    ownership::Mark,
    token::{Claims, Token},
};

/// Annotation of a Secret: the lifetime in seconds that its token was requested for.
pub(crate) const REQUESTED: &str = "authentication.open-cluster-management.io/requested-seconds";
/// Annotation of a Secret: the audiences that its token was requested for, separated by commas.
pub(crate) const AUDIENCES: &str = "authentication.open-cluster-management.io/requested-audiences";
/// Annotation of a Secret: when the agent received the token, by the agent's clock.
pub(crate) const RECEIVED: &str = "authentication.open-cluster-management.io/received-at";

/// Identifies an object and its state.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Version {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

/// A `ManagedServiceAccount`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) version: Version,
    pub(crate) generation: Option<i64>,
    pub(crate) created: Timestamp,
    /// Since when it is being deleted.
    pub(crate) deleting: Option<Timestamp>,
    pub(crate) finalizers: Vec<String>,
    pub(crate) spec: Result<Spec, Fault>,
    /// After how many seconds it is deleted.
    pub(crate) ttl: Option<i32>,
    pub(crate) status: ManagedServiceAccountStatus,
}

/// The requested token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Spec {
    pub(crate) validity: Validity,
    /// Sorted, without duplicates.
    pub(crate) audiences: Vec<String>,
}

/// Why an account cannot be served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// The reason for the condition.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// A labelled `ServiceAccount` of the managed cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceAccount {
    pub(crate) version: Version,
    pub(crate) created: Timestamp,
    pub(crate) terminating: bool,
    pub(crate) mark: Mark,
}

/// A labelled Secret of the hub.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Secret {
    pub(crate) version: Version,
    /// The UIDs of its owners that are accounts of its name. Empty if it belongs to somebody else.
    pub(crate) owners: Vec<String>,
    pub(crate) token: Option<Token>,
    pub(crate) claims: Option<Claims>,
    pub(crate) authority: Vec<u8>,
    pub(crate) request: Request,
    pub(crate) received: Option<Timestamp>,
    /// Since when it has had this token and this authority.
    pub(crate) since: Timestamp,
}

/// What a token was requested for, if that is known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Request {
    pub(crate) seconds: Option<i64>,
    /// Sorted. Empty stands for the default of the API server.
    pub(crate) audiences: Vec<String>,
}

impl Version {
    fn of(metadata: &ObjectMeta) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
        }
    }

    /// False if `other` is a later state of the same object. Watch events may be older than the
    /// answer to a write.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        let number = |version: &Self| version.resource_version.parse::<u64>();
        match (number(self), number(other)) {
            (Ok(own), Ok(others)) => self.uid != other.uid || own >= others,
            _ => true,
        }
    }
}

impl Account {
    pub(crate) fn read(object: DynamicObject) -> Self {
        let metadata = object.metadata.clone();
        let read = object.try_parse::<ManagedServiceAccount>();
        let (spec, ttl, status) = match read {
            Ok(ManagedServiceAccount { spec, status, .. }) => {
                let validity = Validity::parse(&spec.rotation.validity);
                let mut audiences = spec.audiences;
                audiences.sort();
                audiences.dedup();
                let spec_or_fault = validity
                    .map(|validity| Spec {
                        validity,
                        audiences,
                    })
                    .map_err(|fault| Fault {
                        reason: "InvalidValidity",
                        message: fault.to_string(),
                    });
                (
                    spec_or_fault,
                    spec.ttl_seconds_after_creation,
                    status.unwrap_or_default(),
                )
            }
            Err(fault) => {
                let fault = Fault {
                    reason: "InvalidSpec",
                    message: format!("cannot read the account: {fault}"),
                };
                (Err(fault), None, ManagedServiceAccountStatus::default())
            }
        };
        Self {
            version: Version::of(&metadata),
            generation: metadata.generation,
            created: metadata
                .creation_timestamp
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            deleting: metadata.deletion_timestamp.map(|time| time.0),
            finalizers: metadata.finalizers.unwrap_or_default(),
            spec,
            ttl,
            status,
        }
    }
}

impl ServiceAccount {
    pub(crate) fn read(object: &KubeServiceAccount) -> Self {
        let metadata = &object.metadata;
        let created = metadata.creation_timestamp.as_ref();
        Self {
            version: Version::of(metadata),
            created: created.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            terminating: metadata.deletion_timestamp.is_some(),
            mark: Mark::read(metadata),
        }
    }
}

impl Secret {
    /// Reads a Secret. `now` is the time when this state was first seen.
    pub(crate) fn read(object: &KubeSecret, now: Timestamp) -> Self {
        let metadata = &object.metadata;
        let name = metadata.name.as_deref().unwrap_or_default();
        let references = metadata.owner_references.iter().flatten();
        let owners = references.filter(|owner| {
            let group = owner.api_version.split('/').next();
            group == Some(GROUP) && owner.kind == "ManagedServiceAccount" && owner.name == name
        });
        let data = |key| object.data.as_ref().and_then(|data| data.get(key));
        let token = data(TOKEN_KEY).and_then(|bytes| Token::from_bytes(&bytes.0));
        let mut audiences: Vec<_> = annotation(metadata, AUDIENCES)
            .into_iter()
            .flat_map(|list| list.split(','))
            .map(str::to_owned)
            .collect();
        audiences.sort();
        Self {
            version: Version::of(metadata),
            owners: owners.map(|owner| owner.uid.clone()).collect(),
            claims: token.as_ref().and_then(Token::claims),
            token,
            authority: data(CA_KEY)
                .map(|bytes| bytes.0.clone())
                .unwrap_or_default(),
            request: Request {
                seconds: annotation(metadata, REQUESTED).and_then(|text| text.parse().ok()),
                audiences,
            },
            received: annotation(metadata, RECEIVED).and_then(|text| text.parse().ok()),
            since: now,
        }
    }

    /// The later state of the same Secret. It keeps `since` if its contents are the same.
    pub(crate) fn after(mut self, earlier: &Self) -> Self {
        if self.token == earlier.token && self.authority == earlier.authority {
            self.since = earlier.since;
        }
        self
    }
}

/// True if the label says that the object belongs to an account.
pub(crate) fn is_labelled(labels: Option<&BTreeMap<String, String>>) -> bool {
    labels
        .and_then(|labels| labels.get(LABEL))
        .is_some_and(|value| value == "true")
}

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}
