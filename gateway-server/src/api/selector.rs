//! `labelSelector` and `fieldSelector` of a list or a watch as one predicate. kube matches label
//! expressions but does not parse their text; `crds::label_selector` does.

use std::collections::BTreeMap;

use crds::label_selector::{self, LabelFault, Requirement};
use kube::Resource;

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

/// What a list is narrowed down to. The default chooses everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    labels: Vec<Requirement>,
    names: Vec<NameRequirement>,
}

impl Selection {
    /// Parses both selectors; an empty one chooses everything.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, BadSelector> {
        Ok(Self {
            labels: label_selector::parse(labels).map_err(|fault| BadSelector::Label {
                selector: labels.to_owned(),
                fault,
            })?,
            names: parse_fields(fields).map_err(|fault| BadSelector::Field {
                selector: fields.to_owned(),
                fault,
            })?,
        })
    }

    /// Whether that cluster is chosen.
    pub(crate) fn chooses(&self, object: &impl Resource) -> bool {
        let metadata = object.meta();
        let name = metadata.name.as_deref().unwrap_or_default();
        self.matches(name, metadata.labels.as_ref())
    }

    /// The only name that it can choose, if it names one.
    pub(crate) fn only(&self) -> Option<&str> {
        let mut names = self.names.iter();
        let only = names.find(|requirement| requirement.equal)?;
        Some(&only.name)
    }

    /// Whether an object with this name and these labels is chosen.
    pub(super) fn matches(&self, name: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        let labels = labels.unwrap_or(&NO_LABELS);
        self.names
            .iter()
            .all(|requirement| requirement.matches(name))
            && self
                .labels
                .iter()
                .all(|requirement| requirement.matches(labels))
    }
}

/// A selector that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSelector {
    #[error("unable to parse labelSelector {selector:?}: {fault}")]
    Label { selector: String, fault: LabelFault },
    #[error("unable to parse fieldSelector {selector:?}: {fault}")]
    Field { selector: String, fault: FieldFault },
}

/// What is wrong with a field selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldFault {
    #[error("{0:?} has no operator, expected '=', '==' or '!='")]
    NoOperator(String),
    #[error("field label not supported: {0}")]
    UnsupportedField(String),
}

/// One condition on `metadata.name`, the only field that can be selected by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NameRequirement {
    name: String,
    equal: bool,
}

impl NameRequirement {
    fn matches(&self, name: &str) -> bool {
        (self.name == name) == self.equal
    }
}

fn parse_fields(selector: &str) -> Result<Vec<NameRequirement>, FieldFault> {
    selector
        .split(',')
        .filter(|term| !term.is_empty())
        .map(parse_field)
        .collect()
}

/// Backslash escapes are left alone: no name has a character that would need one.
fn parse_field(term: &str) -> Result<NameRequirement, FieldFault> {
    let (field, value) = term
        .split_once('=')
        .ok_or_else(|| FieldFault::NoOperator(term.to_owned()))?;
    let (field, equal) = match field.strip_suffix('!') {
        Some(field) => (field, false),
        None => (field, true),
    };
    if field != "metadata.name" {
        return Err(FieldFault::UnsupportedField(field.to_owned()));
    }
    let value = if equal {
        value.strip_prefix('=').unwrap_or(value)
    } else {
        value
    };
    Ok(NameRequirement {
        name: value.to_owned(),
        equal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_choose_by_name() {
        let cases = [
            ("", true),
            (",", true),
            ("metadata.name=a", true),
            ("metadata.name==a", true),
            ("metadata.name!=b", true),
            ("metadata.name=a,metadata.name!=b", true),
            ("metadata.name=b", false),
            ("metadata.name!=a", false),
            ("metadata.name=a,metadata.name=b", false),
            ("metadata.name=", false),
        ];
        for (selector, chosen) in cases {
            let selection = Selection::parse("", selector).unwrap();
            assert_eq!(selection.matches("a", None), chosen, "{selector}");
        }
    }

    #[test]
    fn bad_selectors_are_named() {
        let cases = [
            (
                "",
                "spec.provider=x",
                r#"unable to parse fieldSelector "spec.provider=x": field label not supported: spec.provider"#,
            ),
            (
                "",
                "managed1",
                r#"unable to parse fieldSelector "managed1": "managed1" has no operator, expected '=', '==' or '!='"#,
            ),
            (
                "a=b=c",
                "",
                r#"unable to parse labelSelector "a=b=c": found "=", expected ',' or the end"#,
            ),
        ];
        for (labels, fields, message) in cases {
            assert_eq!(
                Selection::parse(labels, fields).unwrap_err().to_string(),
                message
            );
        }
    }
}
