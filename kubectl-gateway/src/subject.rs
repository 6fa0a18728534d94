//! The short form of a grant's subject, e.g. `user:alice`.

use crds::gateway::{Subject, SubjectKind};

const ONE: &str = "name one subject in each argument, without commas: user:alice user:bob";
const SYNTAX: &str = "write user:NAME, group:NAME, sa:NAMESPACE/NAME or gateway";

/// Parses a subject.
pub(crate) fn parse(text: &str) -> Result<Subject, &'static str> {
    let subject = |kind, namespace: &str, name: &str| Subject {
        kind,
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    };
    if text == "gateway" {
        return Ok(subject(SubjectKind::Gateway, "", ""));
    }
    let (kind, name) = text.split_once(':').ok_or(SYNTAX)?;
    match (kind, name.split_once('/')) {
        (_, _) if name.is_empty() => Err(SYNTAX),
        (_, _) if name.contains(',') => Err(ONE),
        ("user", _) => Ok(subject(SubjectKind::User, "", name)),
        ("group", _) => Ok(subject(SubjectKind::Group, "", name)),
        ("sa", Some((namespace, name))) if !namespace.is_empty() && !name.is_empty() => {
            Ok(subject(SubjectKind::ServiceAccount, namespace, name))
        }
        _ => Err(SYNTAX),
    }
}

/// The short form of a subject, as [`parse`] reads it.
pub(crate) fn word(subject: &Subject) -> String {
    let Subject {
        kind,
        name,
        namespace,
    } = subject;
    match kind {
        SubjectKind::User => format!("user:{name}"),
        SubjectKind::Group => format!("group:{name}"),
        SubjectKind::ServiceAccount => format!("sa:{namespace}/{name}"),
        SubjectKind::Gateway => "gateway".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_subjects_are_the_same() {
        for text in [
            "user:alice",
            "user:https://login.example#a/b",
            "group:system:masters",
            "sa:ci/bot",
            "gateway",
        ] {
            assert_eq!(word(&parse(text).unwrap()), text);
        }
        for text in [
            "", "alice", "user:", "sa:ci", "sa:/bot", "sa:ci/", "robot:x",
        ] {
            assert_eq!(parse(text), Err(SYNTAX), "{text}");
        }
        for text in ["user:alice,bob", "group:a,group:b", "sa:ci/a,b"] {
            assert_eq!(parse(text), Err(ONE), "{text}");
        }
    }
}
