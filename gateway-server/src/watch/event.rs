//! What a watch of clusters sends: one line of JSON for each event. Pure.

use std::sync::Arc;

use crds::cluster_core::API_VERSION;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use serde::Serialize;

use crate::{
    api::{
        accept::ObjectFormat,
        kind::Kind,
        objects::Single,
        rendering::{ListMetadata, Rendering},
        selector::Selection,
        table::Table,
    },
    clusters::Change,
};

/// An event of a watch.
#[derive(Clone, Debug)]
pub(crate) enum Event<K> {
    Added(Arc<K>),
    Modified(Arc<K>),
    /// The object as it was last, at the revision at which it was removed.
    Deleted(Arc<K>),
    /// Everything up to this revision has been sent.
    Bookmark {
        revision: u64,
        /// All clusters that existed at the start have been sent.
        ends_initial: bool,
    },
    /// The last event of a watch that failed.
    Error(Box<Status>),
}

impl<K: Kind> Event<K> {
    /// The event that a change means for this selection; `None` if neither the old nor the new
    /// object is selected.
    pub(crate) fn of(change: Change<K>, selection: &Selection) -> Option<Self> {
        let Change {
            revision,
            before,
            after,
        } = change;
        let before = before.filter(|it| selection.chooses(&**it));
        match (before, after.filter(|it| selection.chooses(&**it))) {
            (None, None) => None,
            (None, Some(after)) => Some(Self::Added(after)),
            (Some(_), Some(after)) => Some(Self::Modified(after)),
            (Some(before), None) => {
                let mut last = K::clone(&before);
                last.meta_mut().resource_version = Some(revision.to_string());
                Some(Self::Deleted(Arc::new(last)))
            }
        }
    }

    /// Appends the event as one line.
    pub(crate) fn render(&self, rendering: Rendering, lines: &mut Vec<u8>) {
        match self {
            Self::Added(object) => append(lines, "ADDED", &Single::<K>::new(object, rendering)),
            Self::Modified(object) => {
                append(lines, "MODIFIED", &Single::<K>::new(object, rendering));
            }
            Self::Deleted(object) => append(lines, "DELETED", &Single::<K>::new(object, rendering)),
            Self::Bookmark {
                revision,
                ends_initial,
            } => bookmark::<K>(lines, &revision.to_string(), *ends_initial, rendering),
            Self::Error(status) => append(lines, "ERROR", status),
        }
    }
}

/// An event on the wire.
#[derive(Debug, Serialize)]
struct Line<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    object: &'a T,
}

fn append(lines: &mut Vec<u8>, kind: &'static str, object: &impl Serialize) {
    serde_json::to_writer(&mut *lines, &Line { kind, object })
        .expect("our documents have string keys and no fallible encoders");
    lines.push(b'\n');
}

/// An object with a resource version and nothing else.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bookmark<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: BookmarkMetadata<'a>,
}

#[derive(Debug, Serialize)]
struct BookmarkMetadata<'a> {
    #[serde(flatten)]
    version: ListMetadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<InitialEnd>,
}

#[derive(Debug, Serialize)]
struct InitialEnd {
    #[serde(rename = "k8s.io/initial-events-end")]
    is_end: &'static str,
}

fn bookmark<K: Kind>(
    lines: &mut Vec<u8>,
    revision: &str,
    ends_initial: bool,
    rendering: Rendering,
) {
    let (kind, api_version) = match rendering.format {
        ObjectFormat::Table(version) => {
            let table = Table::<K>::new([], ListMetadata::whole(revision), version, rendering);
            return append(lines, "BOOKMARK", &table);
        }
        ObjectFormat::Json => (K::KIND, API_VERSION),
        ObjectFormat::Metadata(version) => ("PartialObjectMetadata", version.api_version()),
    };
    let version = ListMetadata::whole(revision);
    let metadata = BookmarkMetadata {
        version,
        annotations: ends_initial.then_some(InitialEnd { is_end: "true" }),
    };
    let object = Bookmark {
        kind,
        api_version,
        metadata,
    };
    append(lines, "BOOKMARK", &object);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        accept::MetaVersion,
        objects::tests::{gateway, rendering},
    };
    use crds::cluster_core::ClusterGateway;
    use serde_json::Value;

    fn lines(events: &[Event<ClusterGateway>], format: ObjectFormat) -> Vec<Value> {
        let mut text = Vec::new();
        for event in events {
            event.render(rendering(format), &mut text);
        }
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_for_each_event_in_the_shape_that_was_asked_for() {
        let object = || Arc::new(gateway("managed1"));
        let bookmark = |ends_initial| Event::Bookmark {
            revision: 42,
            ends_initial,
        };
        let events = [
            Event::Added(object()),
            bookmark(true),
            bookmark(false),
            Event::Error(Box::default()),
        ];
        insta::assert_json_snapshot!(lines(&events, ObjectFormat::Json));
        let format = ObjectFormat::Metadata(MetaVersion::V1);
        let metadata = lines(&events, format);
        assert_eq!(metadata[0]["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(metadata[1]["object"]["kind"], "PartialObjectMetadata");
        let table = lines(&events, ObjectFormat::Table(MetaVersion::V1));
        assert_eq!(table[0]["object"]["rows"][0]["cells"][0], "managed1");
        assert_eq!(table[1]["object"]["rows"], serde_json::json!([]));
        assert_eq!(table[1]["object"]["metadata"]["resourceVersion"], "42");
    }

    #[test]
    fn who_chose_some_clusters_hears_when_one_comes_and_when_it_goes() {
        let of_prod = Selection::parse("env=prod", "").unwrap();
        let prod = || Some(Arc::new(gateway("managed1")));
        let dev = || {
            let mut dev = gateway("managed1");
            dev.metadata.labels = None;
            Some(Arc::new(dev))
        };
        let kind = |before, after| {
            let revision = 50;
            let change = Change {
                revision,
                before,
                after,
            };
            let event = Event::of(change, &of_prod)?;
            let line = lines(&[event], ObjectFormat::Json).pop().unwrap();
            let version = &line["object"]["metadata"]["resourceVersion"];
            Some((
                line["type"].as_str()?.to_owned(),
                version.as_str()?.to_owned(),
            ))
        };
        let said = |kind: &str, version: &str| Some((kind.to_owned(), version.to_owned()));
        assert_eq!(kind(None, prod()), said("ADDED", "41"));
        assert_eq!(kind(dev(), prod()), said("ADDED", "41"));
        assert_eq!(kind(prod(), prod()), said("MODIFIED", "41"));
        assert_eq!(kind(prod(), dev()), said("DELETED", "50"));
        assert_eq!(kind(prod(), None), said("DELETED", "50"));
        assert_eq!(kind(dev(), None), None);
    }
}
