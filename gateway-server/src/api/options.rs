//! Query parameters of get, list and watch. Unknown ones are ignored, as Kubernetes does.

use std::{borrow::Cow, fmt, time::Duration};

use super::selector::{BadSelector, Selection};
use crate::health::EditError;

/// Longest duration of a watch, the same as in API servers.
const LASTS: Duration = Duration::from_hours(1);

/// Query parameters of `clustergateways` and `virtualclusters`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// What `labelSelector` and `fieldSelector` choose.
    pub(crate) selection: Selection,
    /// What rows of a table carry.
    pub(crate) include: IncludeObject,
    /// Set if the caller wants changes instead of a list.
    pub(crate) watch: Option<WatchOptions>,
    /// The revision that a list must have come to.
    pub(crate) revision: Option<u64>,
    /// How many objects a list may have. `None` for all.
    pub(crate) limit: Option<usize>,
    /// Where the list goes on.
    pub(crate) from: Option<Continue>,
}

/// Where a list goes on that was cut: what is after this object, for a client that has seen a list of
/// this revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Continue {
    pub(crate) revision: u64,
    pub(crate) after: Place,
}

/// Where an object is in a list: its rank, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    rank: i64,
    name: String,
}

impl Place {
    pub(super) fn of((rank, name): (i64, &str)) -> Self {
        let name = name.to_owned();
        Self { rank, name }
    }

    pub(super) fn as_parts(&self) -> (i64, &str) {
        (self.rank, &self.name)
    }

    /// A rank is before a colon, which no name has. There is none if it is 0.
    fn parse(text: &str) -> Option<Self> {
        let (rank, name) = text.split_once(':').unwrap_or(("0", text));
        Some(Self::of((rank.parse().ok()?, name)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_parts() {
            (0, name) => formatter.write_str(name),
            (rank, name) => write!(formatter, "{rank}:{name}"),
        }
    }
}

/// Query parameters of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchOptions {
    pub(crate) start: Start,
    /// Whether to send bookmarks.
    pub(crate) bookmarks: bool,
    /// When it ends by itself.
    pub(crate) lasts: Duration,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With all clusters that exist; if `is_told`, a bookmark marks the end of these.
    State { is_told: bool },
    /// With what changes from now on.
    Now,
    /// With what came after a revision.
    After(u64),
}

impl Options {
    /// Parses a query, without its `?`. Of a repeated parameter the first counts.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, BadOption> {
        let value = |name| value(query, name);
        let watch = is_set(query, "watch").then(|| WatchOptions::parse(query));
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
            watch: watch.transpose()?,
            revision: value("resourceVersion").and_then(|it| it.parse().ok()),
            limit: limit(value("limit").as_deref())?,
            from: value("continue")
                .filter(|it| !it.is_empty())
                .map(|it| Continue::parse(&it))
                .transpose()?,
        })
    }

    /// The revision that must have been reached before the answer begins.
    pub(crate) fn not_older_than(&self) -> Option<u64> {
        match self.watch.map(|watch| watch.start) {
            None => self.revision,
            Some(Start::After(revision)) => Some(revision),
            Some(Start::Now | Start::State { .. }) => None,
        }
    }
}

/// No limit, and one of zero, is all.
fn limit(text: Option<&str>) -> Result<Option<usize>, BadOption> {
    match text {
        None | Some("" | "0") => Ok(None),
        Some(text) => {
            let limit = text.parse().map_err(|_| BadOption::Limit(text.to_owned()));
            limit.map(Some)
        }
    }
}

impl Continue {
    fn parse(text: &str) -> Result<Self, BadOption> {
        let bad = || BadOption::Continue(text.to_owned());
        let (revision, after) = text.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            revision: revision.parse().map_err(|_| bad())?,
            after: Place::parse(after).ok_or_else(bad)?,
        })
    }
}

/// The token that a client sends back.
impl fmt::Display for Continue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.revision, self.after)
    }
}

impl WatchOptions {
    fn parse(query: Option<&str>) -> Result<Self, BadOption> {
        let start = match value(query, "resourceVersion").as_deref() {
            _ if is_set(query, "sendInitialEvents") => Start::State { is_told: true },
            None | Some("" | "0") if value(query, "sendInitialEvents").is_some() => Start::Now,
            None | Some("" | "0") => Start::State { is_told: false },
            Some(version) => {
                let revision = version
                    .parse()
                    .map_err(|_| BadOption::Version(version.to_owned()))?;
                Start::After(revision)
            }
        };
        let lasts = match value(query, "timeoutSeconds").as_deref() {
            None | Some("" | "0") => LASTS,
            Some(seconds) => {
                let asked = seconds.parse().map(Duration::from_secs);
                asked.map_err(|_| BadOption::Timeout(seconds.to_owned()))?
            }
        };
        Ok(Self {
            start,
            bookmarks: is_set(query, "allowWatchBookmarks"),
            lasts: lasts.min(LASTS),
        })
    }
}

/// Whether a write is only tried.
pub(crate) fn dry_run(query: Option<&str>) -> Result<bool, EditError> {
    match value(query, "dryRun").as_deref() {
        None | Some("") => Ok(false),
        Some("All") => Ok(true),
        Some(other) => Err(EditError::DryRun(other.to_owned())),
    }
}

fn value<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let (_, value) = parameters.find(|(key, _)| key == name)?;
    Some(value)
}

/// Kubernetes reads every value as true but these two, even none.
fn is_set(query: Option<&str>, name: &str) -> bool {
    value(query, name).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
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
    #[error("includeObject {0:?} is not one of None, Metadata and Object")]
    IncludeObject(String),
    #[error("resourceVersion {0:?} does not come from a list or a watch")]
    Version(String),
    #[error("timeoutSeconds {0:?} is not a number of seconds")]
    Timeout(String),
    #[error("limit {0:?} is not a number of objects")]
    Limit(String),
    #[error("continue {0:?} does not come from a list")]
    Continue(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn absent_and_unknown_parameters_choose_everything() {
        for query in [
            None,
            Some(""),
            Some("limit=0&continue=&pretty=true&labelSelector="),
        ] {
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
            ("watch=False", false),
            ("resourceVersion=7", false),
        ] {
            let options = Options::parse(Some(query)).unwrap();
            assert_eq!(options.watch.is_some(), watch, "{query}");
        }
    }

    #[test]
    fn a_watch_begins_where_it_is_asked_to_and_lasts_no_longer() {
        let parse = |more: &str| Options::parse(Some(&format!("watch=1{more}")));
        let start = |more| parse(more).unwrap().watch.unwrap().start;
        assert_eq!(start(""), Start::State { is_told: false });
        assert_eq!(start("&resourceVersion=0"), Start::State { is_told: false });
        assert_eq!(start("&resourceVersion=12"), Start::After(12));
        assert_eq!(start("&sendInitialEvents=false"), Start::Now);
        let all = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=12";
        assert_eq!(start(all), Start::State { is_told: true });
        let options = parse("&timeoutSeconds=300&allowWatchBookmarks=true");
        let options = options.unwrap().watch.unwrap();
        assert_eq!(options.lasts, Duration::from_mins(5));
        assert!(options.bookmarks);
        let longest = parse("&timeoutSeconds=86400").unwrap().watch.unwrap();
        assert_eq!(longest.lasts, LASTS);
        for (bad, named) in [("resourceVersion", "x"), ("timeoutSeconds", "-1")] {
            let error = parse(&format!("&{bad}={named}"));
            let error = error.unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_list_is_cut_and_goes_on_where_it_was_cut() {
        let options = Options::parse(Some("limit=500&continue=42.managed7")).unwrap();
        assert_eq!(options.limit, Some(500));
        let from = options.from.unwrap();
        assert_eq!(
            (from.revision, from.after.as_parts()),
            (42, (0, "managed7"))
        );
        assert_eq!(from.to_string(), "42.managed7");
        for (bad, named) in [
            ("limit", "-1"),
            ("continue", "x"),
            ("continue", "x.managed7"),
        ] {
            let error = Options::parse(Some(&format!("{bad}={named}")));
            let error = error.unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains(named), "{error}");
        }
    }

    #[test]
    fn include_object_is_one_of_three() {
        let include = |query| Options::parse(Some(query)).map(|options| options.include);
        assert_eq!(include("includeObject=None"), Ok(IncludeObject::None));
        assert_eq!(include("includeObject=Object"), Ok(IncludeObject::Object));
        assert_eq!(
            include("includeObject=all").unwrap_err().to_string(),
            r#"includeObject "all" is not one of None, Metadata and Object"#
        );
    }
}
