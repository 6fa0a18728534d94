//! Whether an admission policy of the operator's is in force as it is shipped, and since when. A policy
//! of the right name that says something else judges nothing. Pure.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::{
    digest,
    names::{ACCESS_POLICY, AGENT_POLICY, EXTERNAL_POLICY},
};

/// How long API servers may take to judge by a policy after it was written.
const SETTLING: SignedDuration = SignedDuration::from_secs(5);

static GRANTS: LazyLock<[Value; 2]> =
    LazyLock::new(|| parsed(include_str!("../../config/operator/access-policy.yaml")));
static AGENTS: LazyLock<[Value; 2]> =
    LazyLock::new(|| parsed(include_str!("../../config/operator/agent-policy.yaml")));

static SERVERS: LazyLock<[Value; 2]> = LazyLock::new(|| {
    parsed(include_str!(
        "../../config/operator/configuration-policy.yaml"
    ))
});

/// A policy that the operator ships.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Policy {
    /// Judges who may grant.
    Grants,
    /// Judges which Secrets agents write.
    Agents,
    /// Judges who may say where the gateway is.
    Servers,
}

/// Whether a policy judges.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Guard {
    /// It is in force as it is shipped.
    InForce {
        /// Differs once the policy or its binding is changed or created again.
        revision: String,
        /// Requests that came later than this were judged.
        since: Timestamp,
    },
    /// The policy or its binding does not exist.
    Missing,
    /// The policy or its binding says something else.
    Changed,
}

impl Policy {
    pub(crate) const ALL: [Self; 3] = [Self::Grants, Self::Agents, Self::Servers];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grants => ACCESS_POLICY,
            Self::Agents => AGENT_POLICY,
            Self::Servers => EXTERNAL_POLICY,
        }
    }

    /// The file that it is shipped in.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Grants => "config/operator/access-policy.yaml",
            Self::Agents => "config/operator/agent-policy.yaml",
            Self::Servers => "config/operator/configuration-policy.yaml",
        }
    }

    /// The policy and its binding as they are shipped.
    pub(crate) fn shipped(self) -> &'static [Value; 2] {
        match self {
            Self::Grants => &GRANTS,
            Self::Agents => &AGENTS,
            Self::Servers => &SERVERS,
        }
    }
}

impl Guard {
    /// Compares what was found of the policy and of its binding with what is shipped.
    pub(crate) fn of(policy: Policy, found: [Option<&DynamicObject>; 2]) -> Self {
        let [Some(judge), Some(binding)] = found else {
            return Self::Missing;
        };
        let both = [judge, binding];
        let mut pairs = both.into_iter().zip(policy.shipped());
        if !pairs.all(|(have, shipped)| spec(have) == shipped["spec"]) {
            return Self::Changed;
        }
        let identity = both.map(|it| json!([it.metadata.uid, it.metadata.generation]));
        let settled = both
            .into_iter()
            .map(|it| changed(it).checked_add(SETTLING))
            .map(|at| at.unwrap_or(Timestamp::MAX));
        Self::InForce {
            revision: digest::of(&json!(identity)),
            since: settled.max().unwrap_or(Timestamp::MAX),
        }
    }

    pub(crate) fn is_in_force(&self) -> bool {
        matches!(self, Self::InForce { .. })
    }

    /// What is wrong with the policy, and what to do.
    pub(crate) fn fault(&self, policy: Policy) -> Option<String> {
        let what = match self {
            Self::InForce { .. } => return None,
            Self::Missing => "is missing",
            Self::Changed => "is not as it was shipped",
        };
        Some(format!(
            "the ValidatingAdmissionPolicy {} or its binding {what}; apply {} again",
            policy.name(),
            policy.file()
        ))
    }
}

fn parsed(file: &str) -> [Value; 2] {
    let all: Vec<Value> = serde_saphyr::from_multiple(file).expect("a file of ours");
    <[Value; 2]>::try_from(all).expect("a policy and its binding")
}

/// The spec without the fields that API servers add. Whatever else is in it changes what it judges.
fn spec(object: &DynamicObject) -> Value {
    let mut spec = object.data["spec"].clone();
    if let Some(matched) = spec.get_mut("matchConstraints") {
        remove(matched, "matchPolicy", &json!("Equivalent"));
        remove(matched, "namespaceSelector", &json!({}));
        remove(matched, "objectSelector", &json!({}));
        let rules = matched["resourceRules"].as_array_mut();
        for rule in rules.into_iter().flatten() {
            remove(rule, "scope", &json!("*"));
        }
    }
    // More actions beside it change nothing.
    if let Some(Value::Array(actions)) = spec.get_mut("validationActions")
        && actions.iter().any(|it| it == "Deny")
    {
        actions.retain(|it| it == "Deny");
    }
    spec
}

fn remove(fields: &mut Value, name: &str, default: &Value) {
    if let Some(fields) = fields.as_object_mut()
        && fields.get(name) == Some(default)
    {
        fields.remove(name);
    }
}

/// When the object was changed last. The status does not count.
fn changed(object: &DynamicObject) -> Timestamp {
    let metadata = &object.metadata;
    let created = metadata.creation_timestamp.as_ref().map(|it| it.0);
    let managers = metadata.managed_fields.iter().flatten();
    let changes = managers
        .filter(|manager| manager.subresource.is_none())
        .filter_map(|manager| manager.time.as_ref().map(|it| it.0));
    let last = changes.chain(created).max();
    // An object that was changed, and does not say when, may have been changed just now.
    let is_said = metadata.generation.is_none_or(|it| it <= 1) || metadata.managed_fields.is_some();
    last.filter(|_| is_said).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use crds::addon::Version;

    use super::*;
    use crate::{
        kind::{Kind, ObjectKey},
        tests::model::Hub,
    };

    fn guard(change: impl FnOnce(&mut Value, &mut Value)) -> Guard {
        let mut hub = Hub::new(Version::V1beta1);
        let [mut judge, mut binding] = Policy::Grants.shipped().clone();
        change(&mut judge, &mut binding);
        let key = |kind| ObjectKey::global(kind, ACCESS_POLICY);
        hub.write(&key(Kind::ValidatingAdmissionPolicy), &judge);
        hub.write(&key(Kind::ValidatingAdmissionPolicyBinding), &binding);
        hub.observed.guard(Policy::Grants).clone()
    }

    #[test]
    fn a_policy_with_the_defaults_of_an_api_server_is_in_force() {
        let shipped = guard(|judge, binding| {
            binding["spec"]["validationActions"] = json!(["Audit", "Deny"]);
            let matched = &mut judge["spec"]["matchConstraints"];
            matched["matchPolicy"] = "Equivalent".into();
            matched["namespaceSelector"] = json!({});
            matched["objectSelector"] = json!({});
            matched["resourceRules"][0]["scope"] = "*".into();
            judge["status"] = json!({"observedGeneration": 1});
        });
        assert!(shipped.is_in_force(), "{shipped:?}");
    }

    #[test]
    fn a_policy_of_the_same_name_that_judges_less_is_not() {
        type Change = fn(&mut Value, &mut Value);
        let changes: [(&str, Change); 10] = [
            ("judges nothing", |judge, _| judge["spec"] = json!({})),
            ("lets errors pass", |judge, _| {
                judge["spec"]["failurePolicy"] = "Ignore".into();
            }),
            ("leaves out some objects", |judge, _| {
                judge["spec"]["matchConstraints"]["objectSelector"] =
                    json!({"matchLabels": {"judge": "me"}});
            }),
            ("leaves out a name", |judge, _| {
                judge["spec"]["matchConstraints"]["excludeResourceRules"] = json!([{}]);
            }),
            ("leaves out deletion", |judge, _| {
                judge["spec"]["matchConstraints"]["resourceRules"][0]["operations"] =
                    json!(["CREATE", "UPDATE"]);
            }),
            ("has one more condition", |judge, _| {
                let conditions = judge["spec"]["matchConditions"].as_array_mut().unwrap();
                conditions.push(json!({"name": "never", "expression": "false"}));
            }),
            ("has another expression", |judge, _| {
                judge["spec"]["validations"][0]["expression"] = "true".into();
            }),
            ("only warns", |_, binding| {
                binding["spec"]["validationActions"] = json!(["Warn"]);
            }),
            ("is bound elsewhere", |_, binding| {
                binding["spec"]["matchResources"] = json!({"namespaceSelector": {}});
            }),
            ("binds another policy", |_, binding| {
                binding["spec"]["policyName"] = "another".into();
            }),
        ];
        for (what, change) in changes {
            assert_eq!(guard(change), Guard::Changed, "{what}");
        }
    }

    #[test]
    fn it_counts_from_its_last_change_and_every_change_is_another_revision() {
        let managed = |managers: Value| {
            guard(|judge, _| {
                judge["metadata"]["managedFields"] = managers;
            })
        };
        let since = |guard: &Guard| match guard {
            Guard::InForce { since, .. } => since.to_string(),
            other => panic!("{other:?}"),
        };
        let status =
            json!({"manager": "c", "subresource": "status", "time": "2026-03-01T00:00:00Z"});
        let created = managed(json!([status]));
        assert_eq!(since(&created), "2026-01-01T00:00:05Z");
        let changed = json!({"manager": "kubectl-edit", "time": "2026-02-01T00:00:00Z"});
        assert_eq!(
            since(&managed(json!([status, changed]))),
            "2026-02-01T00:00:05Z"
        );

        let mut hub = Hub::new(Version::V1beta1);
        hub.install();
        let before = hub.observed.guard(Policy::Grants).clone();
        let key = ObjectKey::global(Kind::ValidatingAdmissionPolicyBinding, ACCESS_POLICY);
        hub.write(&key, &json!({"spec": {"validationActions": ["Audit"]}}));
        assert_eq!(*hub.observed.guard(Policy::Grants), Guard::Changed);
        hub.write(&key, &json!({"spec": {"validationActions": ["Deny"]}}));
        let after = hub.observed.guard(Policy::Grants);
        assert!(after.is_in_force() && *after != before, "{after:?}");
    }
}
