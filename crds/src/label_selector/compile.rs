//! Label selectors as objects, as the Kubernetes API has them. One that makes no sense selects
//! nothing, so whoever reads a selector has to ask whether it does.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::core::{Expression, Selector};

use super::{LabelFault, checked_value, is_key};

/// Why a selector makes no sense. The path begins below the selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorFault {
    /// There is no such operator.
    #[error(
        "matchExpressions[{at}].operator is {operator:?}; it must be In, NotIn, Exists or DoesNotExist"
    )]
    Operator {
        /// The index of the expression.
        at: usize,
        /// What it says.
        operator: String,
    },
    /// An operator that needs values has none, or the other way round.
    #[error(
        "matchExpressions[{at}].values: In and NotIn need values; Exists and DoesNotExist take none"
    )]
    Values {
        /// The index of the expression.
        at: usize,
    },
    /// A key or a value cannot be that of a label.
    #[error("{place}: {fault}")]
    Label {
        /// Where it is.
        place: String,
        /// What is wrong.
        fault: LabelFault,
    },
}

/// Reads a selector.
pub fn compile(selector: &LabelSelector) -> Result<Selector, SelectorFault> {
    let mut expressions = Vec::new();
    for (key, value) in selector.match_labels.iter().flatten() {
        let (key, mut values) = label("matchLabels", key, std::slice::from_ref(value))?;
        expressions.extend(
            values
                .pop_first()
                .map(|value| Expression::Equal(key, value)),
        );
    }
    let requirements = selector.match_expressions.iter().flatten();
    for (at, requirement) in requirements.enumerate() {
        expressions.push(expression(at, requirement)?);
    }
    Ok(Selector::from_iter(expressions))
}

fn expression(
    at: usize,
    requirement: &LabelSelectorRequirement,
) -> Result<Expression, SelectorFault> {
    let place = format!("matchExpressions[{at}]");
    let values = requirement.values.as_deref().unwrap_or_default();
    let (key, values) = label(&place, &requirement.key, values)?;
    let expression = match (requirement.operator.as_str(), values.is_empty()) {
        ("In", false) => Expression::In(key, values),
        ("NotIn", false) => Expression::NotIn(key, values),
        ("Exists", true) => Expression::Exists(key),
        ("DoesNotExist", true) => Expression::DoesNotExist(key),
        ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {
            return Err(SelectorFault::Values { at });
        }
        (operator, _) => {
            let operator = operator.to_owned();
            return Err(SelectorFault::Operator { at, operator });
        }
    };
    Ok(expression)
}

fn label(
    place: &str,
    key: &str,
    values: &[String],
) -> Result<(String, BTreeSet<String>), SelectorFault> {
    let fault = |fault| SelectorFault::Label {
        place: place.to_owned(),
        fault,
    };
    if !is_key(key) {
        return Err(fault(LabelFault::Key(key.to_owned())));
    }
    let values = values
        .iter()
        .map(|value| checked_value(value).map_err(fault));
    Ok((key.to_owned(), values.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::SelectorExt as _;
    use serde_json::{Value, json};

    use super::*;

    fn read(selector: Value) -> Result<Selector, SelectorFault> {
        compile(&serde_json::from_value(selector).unwrap())
    }

    #[test]
    fn a_selector_that_makes_sense_selects_by_labels_and_expressions() {
        let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        for (selector, selects) in [
            (json!({}), true),
            (json!({"matchLabels": {"env": "prod"}}), true),
            (json!({"matchLabels": {"env": "dev"}}), false),
            (
                json!({"matchExpressions": [{"key": "env", "operator": "Exists"}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "env", "operator": "Exists", "values": []}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "env", "operator": "DoesNotExist"}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "x/env", "operator": "NotIn", "values": ["prod"]}]}),
                true,
            ),
        ] {
            assert_eq!(
                read(selector.clone()).unwrap().matches(&labels),
                selects,
                "{selector}"
            );
        }
    }

    #[test]
    fn one_that_makes_no_sense_says_why() {
        let expression = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "env", "operator": operator, "values": values}]});
        for (selector, fault) in [
            (
                expression("exists", json!(null)),
                "matchExpressions[0].operator is \"exists\"; it must be In, NotIn, Exists or DoesNotExist",
            ),
            (
                expression("In", json!([])),
                "matchExpressions[0].values: In and NotIn need values; Exists and DoesNotExist take none",
            ),
            (
                expression("Exists", json!(["prod"])),
                "matchExpressions[0].values: In and NotIn need values; Exists and DoesNotExist take none",
            ),
            (
                expression("In", json!(["a b"])),
                "matchExpressions[0]: \"a b\" is not a label value",
            ),
            (
                json!({"matchLabels": {"a b": "c"}}),
                "matchLabels: \"a b\" is not a label key",
            ),
        ] {
            assert_eq!(read(selector).unwrap_err().to_string(), fault);
        }
    }
}
