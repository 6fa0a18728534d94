//! The `AccessGrant` for a command line. The hub validates it.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use crds::{
    gateway::{AccessGrant, AccessGrantSpec, GrantClusters, GrantNamespaces, GrantRole, Subject},
    label_selector::Requirement,
};
use k8s_openapi::{api::rbac::v1::PolicyRule, apimachinery::pkg::apis::meta::v1::LabelSelector};
use kube::core::Selector;
use serde::Deserialize;

use super::{GrantArgs, GrantClustersArgs};
use crate::{subject, wording};

/// The rules of a role.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules(Vec<PolicyRule>);

#[derive(Deserialize)]
#[serde(untagged)]
enum RulesFile {
    List(Vec<PolicyRule>),
    Role { rules: Vec<PolicyRule> },
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("{} contains no rules; it must be a list of rules, or a Role or ClusterRole with rules", .0.display())]
    Rules(PathBuf, #[source] Box<serde_saphyr::Error>),
    #[error("a grant cannot select clusters with > or <; write {0} in (…), or name the clusters")]
    Bound(String),
}

impl Rules {
    /// Reads rules from a file or stdin.
    pub(super) fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = if path == Path::new("-") {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            fs::read_to_string(path)
        };
        let text = text.map_err(|error| ManifestError::Read(path.to_owned(), error))?;
        Self::parse(&text).map_err(|error| ManifestError::Rules(path.to_owned(), Box::new(error)))
    }

    fn parse(text: &str) -> Result<Self, serde_saphyr::Error> {
        Ok(match serde_saphyr::from_str(text)? {
            RulesFile::List(rules) | RulesFile::Role { rules } => Self(rules),
        })
    }
}

/// The grant for the command line, with the rules of its file.
pub(super) fn grant(args: GrantArgs, rules: Option<Rules>) -> Result<AccessGrant, ManifestError> {
    let GrantArgs {
        subjects,
        role,
        clusters,
        namespaces,
        create_namespaces,
        lasts,
        name,
        ..
    } = args;
    let role = GrantRole {
        cluster_role: role,
        rules: rules.map(|Rules(rules)| rules),
    };
    let name = name.unwrap_or_else(|| default_name(&subjects, &role));
    let GrantClustersArgs {
        clusters: names,
        selector,
        placements,
    } = clusters;
    let spec = AccessGrantSpec {
        clusters: GrantClusters {
            names,
            selector: selector.as_deref().map(label_selector).transpose()?,
            placements,
        },
        subjects,
        role,
        namespaces: (!namespaces.is_empty()).then_some(GrantNamespaces {
            names: namespaces,
            create: create_namespaces,
        }),
        expires_after: lasts,
    };
    Ok(AccessGrant::new(&name, spec))
}

fn label_selector(requirements: &[Requirement]) -> Result<LabelSelector, ManifestError> {
    let expressions = requirements.iter().map(|requirement| match requirement {
        Requirement::Expression(expression) => Ok(expression.clone()),
        Requirement::Above(key, _) | Requirement::Below(key, _) => {
            Err(ManifestError::Bound(key.clone()))
        }
    });
    Ok(expressions.collect::<Result<Selector, _>>()?.into())
}

/// A name from the first subject and the role, so that the same command names the same grant.
fn default_name(subjects: &[Subject], role: &GrantRole) -> String {
    let word = subjects.first().map(subject::word).unwrap_or_default();
    let who = word.split_once(':').map_or(word.as_str(), |(_, name)| name);
    let name = format!("{who}-{}", wording::role(role)).to_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let words = name.split(|c| !fits(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// The manifest to print, without managed fields.
pub(super) fn yaml(mut grant: AccessGrant) -> Result<String, serde_saphyr::SerializeError> {
    grant.metadata.managed_fields = None;
    serde_saphyr::to_string(&grant)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Args, args::Verb};

    fn spec(line: &str) -> Result<(String, Value), String> {
        let args = Args::parse_from(format!("x grant {line}").split_whitespace());
        let Verb::Grant(args) = args.verb else {
            unreachable!("the line says grant")
        };
        let rules = args.rules_file.as_ref().map(|_| Rules(Vec::new()));
        let grant = grant(args, rules).map_err(|error| error.to_string())?;
        let spec = serde_json::to_value(&grant.spec).unwrap();
        Ok((grant.metadata.name.unwrap(), spec))
    }

    #[test]
    fn a_command_line_is_a_grant() {
        let line = "user:alice sa:ci/bot --role view --clusters a,b --for 1d8h --namespaces n,m \
                    --create-namespaces";
        let (name, said) = spec(line).unwrap();
        assert_eq!(name, "alice-view");
        let wanted = json!({
            "clusters": {"names": ["a", "b"]},
            "subjects": [
                {"kind": "User", "name": "alice"},
                {"kind": "ServiceAccount", "namespace": "ci", "name": "bot"},
            ],
            "role": {"clusterRole": "view"},
            "namespaces": {"names": ["n", "m"], "create": true},
            "expiresAfter": "32h",
        });
        assert_eq!(said, wanted);
        let (_, said) =
            spec("gateway --role view -l env=prod,tier!=db,!old --placement a/b").unwrap();
        let wanted = json!({
            "selector": {
                "matchLabels": {"env": "prod"},
                "matchExpressions": [
                    {"key": "tier", "operator": "NotIn", "values": ["db"]},
                    {"key": "old", "operator": "DoesNotExist"},
                ],
            },
            "placements": [{"namespace": "a", "name": "b"}],
        });
        assert_eq!(said["clusters"], wanted);
    }

    #[test]
    fn a_selector_that_a_grant_cannot_have_is_refused() {
        let refused = spec("gateway --role view -l shard>3").unwrap_err();
        assert!(refused.contains("shard in"), "{refused}");
    }

    #[test]
    fn names_are_made_of_subject_and_role() {
        for (line, wanted) in [
            ("sa:ci/bot --role view", "ci-bot-view"),
            (
                "group:system:masters --role cluster-admin",
                "system-masters-cluster-admin",
            ),
            (
                "user:Alice@Example.com --rules-file f",
                "alice-example-com-rules",
            ),
            ("gateway --role system:node", "gateway-system-node"),
            ("gateway --role view --name own", "own"),
            ("user:alice group:shop --role view", "alice-view"),
        ] {
            let (name, _) = spec(&format!("{line} --clusters a")).unwrap();
            assert_eq!(name, wanted);
        }
    }

    #[test]
    fn rules_are_a_list_or_a_roles() {
        let list = Rules::parse("- {verbs: [get], apiGroups: [''], resources: [pods]}\n").unwrap();
        let role =
            "kind: ClusterRole\nrules:\n- {verbs: [get], apiGroups: [''], resources: [pods]}\n";
        assert_eq!(Rules::parse(role).unwrap(), list);
        assert!(Rules::parse("kind: ConfigMap").is_err());
    }
}
