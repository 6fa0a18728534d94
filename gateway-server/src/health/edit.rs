//! What a caller reports: a whole object, or a patch of the one that is shown. Only the health in its
//! status counts, as with any status of Kubernetes. Pure.

use crds::{
    ClusterName,
    cluster_core::{API_VERSION, ClusterGateway},
};
use http::{HeaderMap, Method, header::CONTENT_TYPE};
use json_patch::{PatchOperation, merge, patch};
use serde::Deserialize;
use serde_json::Value;

use super::error::{EditError, LARGEST};
use crate::api::kind::Kind as _;

/// How many operations a JSON patch may have.
const MOST_OPERATIONS: usize = 100;
/// How long a reason may be.
pub(super) const LONGEST_REASON: usize = 4096;

/// How a body is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Edit {
    /// It is the new object.
    Replace,
    /// RFC 7396.
    MergePatch,
    /// RFC 6902.
    JsonPatch,
}

/// The health that a caller reports, and which object it means.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Report {
    pub(crate) healthy: bool,
    pub(crate) reason: String,
    /// The object must still have this UID.
    pub(crate) uid: Option<String>,
    /// The caller has seen the object at this revision.
    pub(crate) revision: Option<u64>,
}

impl Edit {
    /// What the method and the type of the body say.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Result<Self, EditError> {
        let said = headers
            .get(CONTENT_TYPE)
            .map_or("", |it| it.to_str().unwrap_or("?"));
        let media = said.split(';').next().unwrap_or_default().trim();
        match (method, media) {
            // API servers take a body without a type as JSON.
            (&Method::PUT, "" | "application/json") => Ok(Self::Replace),
            (&Method::PATCH, "application/merge-patch+json") => Ok(Self::MergePatch),
            (&Method::PATCH, "application/json-patch+json") => Ok(Self::JsonPatch),
            (&Method::PUT, _) => Err(EditError::Media {
                said: media.to_owned(),
                known: "application/json",
            }),
            _ => Err(EditError::Media {
                said: media.to_owned(),
                known: "application/merge-patch+json and application/json-patch+json",
            }),
        }
    }

    /// The report that the body makes of the object that is shown.
    pub(crate) fn report(
        self,
        cluster: &ClusterName,
        shown: &Value,
        body: &[u8],
    ) -> Result<Report, EditError> {
        let malformed = |error: serde_json::Error| EditError::Malformed(error.to_string());
        let edited = match self {
            Self::Replace => {
                let body: Value = serde_json::from_slice(body).map_err(malformed)?;
                check_shape(&body).map_err(EditError::Malformed)?;
                Object::deserialize(body).map_err(malformed)?
            }
            Self::MergePatch => {
                let change: Value = serde_json::from_slice(body).map_err(malformed)?;
                if !change.is_object() {
                    return Err(EditError::Malformed("it is no JSON object".to_owned()));
                }
                // What the caller has seen is what it says itself, not what is shown now.
                let mut edited = unversioned(shown);
                merge(&mut edited, &change);
                patched(edited)?
            }
            Self::JsonPatch => {
                let operations = serde_json::from_slice(body).map_err(malformed)?;
                patched(apply(shown.clone(), operations)?)
                    .map(|edited| edited.unless_same(shown))?
            }
        };
        edited.report(cluster)
    }
}

fn unversioned(shown: &Value) -> Value {
    let mut shown = shown.clone();
    if let Some(metadata) = shown["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.remove("uid");
    }
    shown
}

fn patched(edited: Value) -> Result<Object, EditError> {
    let invalid = |fault| EditError::Invalid {
        field: "patch",
        fault,
    };
    check_shape(&edited).map_err(invalid)?;
    Object::deserialize(edited).map_err(|error| invalid(error.to_string()))
}

/// serde would also read an array as the fields of an object, one after the other.
fn check_shape(object: &Value) -> Result<(), String> {
    let fields = ["metadata", "status"].map(|field| (field, object.get(field)));
    let parts = [("the body", Some(object))].into_iter().chain(fields);
    for (name, part) in parts {
        if !matches!(part, None | Some(Value::Null | Value::Object(_))) {
            return Err(format!("{name} is no JSON object"));
        }
    }
    Ok(())
}

fn apply(mut edited: Value, operations: Vec<PatchOperation>) -> Result<Value, EditError> {
    if operations.len() > MOST_OPERATIONS {
        return Err(EditError::TooManyOperations);
    }
    for operation in operations {
        let grows = matches!(operation, PatchOperation::Copy(_));
        let applied = patch(&mut edited, &[operation]);
        applied.map_err(|error| EditError::Unpatchable(error.to_string()))?;
        // A few copies of copies would fill the memory.
        if grows && size(&edited) > LARGEST {
            return Err(EditError::TooLarge);
        }
    }
    Ok(edited)
}

fn size(value: &Value) -> usize {
    const EACH: usize = 8;
    EACH + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(all) => all.iter().map(size).sum(),
        Value::Object(all) => all.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}

/// What is read of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    kind: String,
    api_version: String,
    metadata: Metadata,
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    healthy: Option<bool>,
    healthy_reason: Option<String>,
}

impl Object {
    /// A JSON patch that leaves the version alone says nothing of what its caller has seen.
    fn unless_same(mut self, shown: &Value) -> Self {
        let same =
            |field: &Option<String>, key: &str| field.as_deref() == shown["metadata"][key].as_str();
        if same(&self.metadata.resource_version, "resourceVersion") {
            self.metadata.resource_version = None;
        }
        self
    }

    fn report(self, cluster: &ClusterName) -> Result<Report, EditError> {
        if self.kind != ClusterGateway::KIND || self.api_version != API_VERSION {
            return Err(EditError::OtherKind {
                kind: self.kind,
                api_version: self.api_version,
            });
        }
        let given = |field: Option<String>| field.filter(|it| !it.is_empty());
        let name = given(self.metadata.name);
        if let Some(name) = name.filter(|name| name != cluster.as_str()) {
            return Err(EditError::OtherName {
                name,
                wanted: cluster.to_string(),
            });
        }
        let version = given(self.metadata.resource_version);
        let revision = version.map(|version| {
            version.parse().map_err(|_| EditError::Invalid {
                field: "metadata.resourceVersion",
                fault: format!("{version:?} does not come from a get or a list"),
            })
        });
        // As in Go, what is absent is false or empty.
        let status = self.status.unwrap_or_default();
        let reason = status.healthy_reason.unwrap_or_default();
        if reason.len() > LONGEST_REASON {
            return Err(EditError::Invalid {
                field: "status.healthyReason",
                fault: format!("it may have {LONGEST_REASON} bytes at most"),
            });
        }
        Ok(Report {
            healthy: status.healthy.unwrap_or_default(),
            reason,
            uid: given(self.metadata.uid),
            revision: revision.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests;
