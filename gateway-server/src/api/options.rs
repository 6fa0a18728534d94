//! Query parameters of get and list. Unknown ones are ignored, as Kubernetes does.

use super::selector::{BadSelector, Selection};

/// Query parameters of `clustergateways`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// What `labelSelector` and `fieldSelector` choose.
    pub(crate) selection: Selection,
    /// What rows of a table carry.
    pub(crate) include: IncludeObject,
    /// Whether changes are asked for, not objects. Not served yet.
    pub(crate) watch: bool,
}

impl Options {
    /// Parses a query, without its `?`. Of a repeated parameter the first counts.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, BadOption> {
        let parameters = || form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let value = |name| {
            parameters()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value)
        };
        Ok(Self {
            selection: Selection::parse(
                &value("labelSelector").unwrap_or_default(),
                &value("fieldSelector").unwrap_or_default(),
            )?,
            include: match value("includeObject").as_deref() {
                None | Some("" | "Metadata") => IncludeObject::Metadata,
                Some("None") => IncludeObject::None,
                Some("Object") => IncludeObject::Object,
                Some(other) => return Err(BadOption::IncludeObject(other.to_owned())),
            },
            // Kubernetes reads every value as true but these two, even none.
            watch: value("watch")
                .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false")),
        })
    }
}

/// What a row of a table carries beside its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

/// A query parameter that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadOption {
    #[error(transparent)]
    Selector(#[from] BadSelector),
    #[error("includeObject {0:?} is none of None, Metadata and Object")]
    IncludeObject(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn absent_and_unknown_parameters_choose_everything() {
        for query in [None, Some(""), Some("limit=500&pretty=true&labelSelector=")] {
            assert_eq!(Options::parse(query), Ok(Options::default()), "{query:?}");
        }
    }

    #[test]
    fn selectors_are_percent_decoded() {
        let query = "labelSelector=env%3Dprod&fieldSelector=metadata.name%3Dmanaged1";
        let selection = Options::parse(Some(query)).unwrap().selection;
        let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        assert!(selection.matches("managed1", Some(&labels)));
        assert!(!selection.matches("managed2", Some(&labels)));
        assert!(!selection.matches("managed1", None));
    }

    #[test]
    fn watch_is_read_as_kubernetes_reads_it() {
        for (query, watch) in [
            ("watch=true", true),
            ("watch=1", true),
            ("watch", true),
            ("watch=0", false),
        ] {
            assert_eq!(Options::parse(Some(query)).unwrap().watch, watch, "{query}");
        }
        assert!(!Options::parse(Some("watch=False")).unwrap().watch);
    }

    #[test]
    fn include_object_is_one_of_three() {
        let include = |query| Options::parse(Some(query)).map(|options| options.include);
        assert_eq!(include("includeObject=None"), Ok(IncludeObject::None));
        assert_eq!(include("includeObject=Object"), Ok(IncludeObject::Object));
        assert_eq!(
            include("includeObject=all").unwrap_err().to_string(),
            r#"includeObject "all" is none of None, Metadata and Object"#
        );
    }
}
