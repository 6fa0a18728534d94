//! Label selectors as text: `a=b,c!=d,e in (f,g),h,!i,j>1`. The grammar and the limits are those of
//! the Kubernetes parser. `in` and `notin` are operators only at the position of an operator.

mod compile;

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Expression, SelectorExt};

pub use self::compile::{SelectorFault, compile};

/// One condition on an object's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// A condition that kube supports.
    Expression(Expression),
    /// The label is an integer greater than this one.
    Above(String, i64),
    /// The label is an integer less than this one.
    Below(String, i64),
}

impl Requirement {
    /// Whether the labels meet the requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let integer = |key| {
            labels
                .get(key)
                .and_then(|value: &String| value.parse::<i64>().ok())
        };
        match self {
            Self::Expression(expression) => expression.matches(labels),
            Self::Above(key, bound) => integer(key).is_some_and(|value| value > *bound),
            Self::Below(key, bound) => integer(key).is_some_and(|value| value < *bound),
        }
    }
}

/// Why a label selector is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelFault {
    /// Something else was expected.
    #[error("found {found:?}, expected {expected}")]
    Unexpected {
        /// The unexpected text.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The key is not a valid label key.
    #[error("{0:?} is not a label key")]
    Key(String),
    /// The value is not a valid label value.
    #[error("{0:?} is not a label value")]
    Value(String),
    /// The bound is not an integer.
    #[error("{0:?} is not an integer")]
    Integer(String),
}

/// Parses a selector. An empty one has no requirements.
pub fn parse(selector: &str) -> Result<Vec<Requirement>, LabelFault> {
    let mut tokens = Tokens(selector);
    let mut requirements = Vec::new();
    if tokens.peek().is_empty() {
        return Ok(requirements);
    }
    loop {
        requirements.push(requirement(&mut tokens)?);
        match tokens.next() {
            "" => return Ok(requirements),
            "," => {}
            found => return Err(unexpected(found, "',' or the end")),
        }
    }
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Requirement, LabelFault> {
    let absent = tokens.peek() == "!";
    if absent {
        tokens.next();
    }
    let key = tokens.next();
    if !is_word(key) {
        return Err(unexpected(key, "a label key or '!'"));
    }
    if !is_key(key) {
        return Err(LabelFault::Key(key.to_owned()));
    }
    let key = key.to_owned();
    if absent {
        return Ok(Requirement::Expression(Expression::DoesNotExist(key)));
    }
    if matches!(tokens.peek(), "" | ",") {
        return Ok(Requirement::Expression(Expression::Exists(key)));
    }
    Ok(match tokens.next() {
        "=" | "==" => Requirement::Expression(Expression::Equal(key, value(tokens)?)),
        "!=" => Requirement::Expression(Expression::NotEqual(key, value(tokens)?)),
        "in" => Requirement::Expression(Expression::In(key, values(tokens)?)),
        "notin" => Requirement::Expression(Expression::NotIn(key, values(tokens)?)),
        ">" => Requirement::Above(key, integer(tokens)?),
        "<" => Requirement::Below(key, integer(tokens)?),
        found => {
            return Err(unexpected(
                found,
                "'=', '==', '!=', 'in', 'notin', '>' or '<'",
            ));
        }
    })
}

/// Parses a value after an operator. A missing value is the empty value.
fn value(tokens: &mut Tokens<'_>) -> Result<String, LabelFault> {
    let value = match tokens.peek() {
        "" | "," => "",
        _ => tokens.next(),
    };
    checked_value(value)
}

/// Parses values in parentheses. As in Kubernetes, nothing between commas stands for the empty
/// value.
fn values(tokens: &mut Tokens<'_>) -> Result<BTreeSet<String>, LabelFault> {
    let open = tokens.next();
    if open != "(" {
        return Err(unexpected(open, "'('"));
    }
    let mut values = BTreeSet::new();
    loop {
        let value = match tokens.peek() {
            "," | ")" => "",
            _ => tokens.next(),
        };
        values.insert(checked_value(value)?);
        match tokens.next() {
            ")" => return Ok(values),
            "," => {}
            found => return Err(unexpected(found, "',' or ')'")),
        }
    }
}

fn integer(tokens: &mut Tokens<'_>) -> Result<i64, LabelFault> {
    let text = tokens.next();
    text.parse()
        .map_err(|_| LabelFault::Integer(text.to_owned()))
}

fn checked_value(value: &str) -> Result<String, LabelFault> {
    if !value.is_empty() && !is_word(value) {
        return Err(unexpected(value, "a label value"));
    }
    if !value.is_empty() && !is_qualified(value) {
        return Err(LabelFault::Value(value.to_owned()));
    }
    Ok(value.to_owned())
}

fn unexpected(found: &str, expected: &'static str) -> LabelFault {
    LabelFault::Unexpected {
        found: found.to_owned(),
        expected,
    }
}

/// The rest of the text. A token is a word, or several special characters that belong together. At
/// the end, all further tokens are empty.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn peek(&mut self) -> &'a str {
        self.0 = self.0.trim_ascii_start();
        let length = ["==", "!="]
            .into_iter()
            .find(|operator| self.0.starts_with(operator))
            .map_or_else(
                || match self
                    .0
                    .find(|c: char| is_special(c) || c.is_ascii_whitespace())
                {
                    Some(0) => 1,
                    Some(end) => end,
                    None => self.0.len(),
                },
                str::len,
            );
        &self.0[..length]
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.0 = &self.0[token.len()..];
        token
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_word(token: &str) -> bool {
    !token.is_empty() && !token.contains(is_special)
}

/// True for `[prefix/]name` with a DNS-1123 subdomain as the prefix.
fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        // A cluster's name follows the same rule.
        Some((prefix, name)) => prefix.parse::<crate::ClusterName>().is_ok() && is_qualified(name),
        None => is_qualified(key),
    }
}

/// True for at most 63 letters, digits, '-', '_' and '.' that start and end with a letter or digit.
fn is_qualified(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = name.as_bytes();
    matches!(
        (bytes.first(), bytes.last()),
        (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric()
    ) && bytes.len() <= 63
        && bytes.iter().copied().all(inner)
}

#[cfg(test)]
mod tests;
