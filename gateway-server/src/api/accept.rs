//! Negotiation of `Accept` (RFC 9110 §12.5.1), with the parameters by which Kubernetes clients ask
//! for another shape of the same object: `as`, `g` and `v`. JSON is the only encoding.

use std::cmp::Reverse;

use http::{HeaderMap, StatusCode, header::ACCEPT};

use crate::status::Refusal;

/// How a `ClusterGateway`, or a list of them, is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectFormat {
    /// The object itself.
    Json,
    /// `meta.k8s.io` `Table`, which kubectl prints.
    Table(MetaVersion),
    /// `meta.k8s.io` `PartialObjectMetadata`, which metadata-only informers read.
    Metadata(MetaVersion),
}

/// Version of the group `meta.k8s.io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetaVersion {
    V1,
    V1Beta1,
}

impl MetaVersion {
    /// As in `apiVersion`.
    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// Whether one object is asked for or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Single,
    List,
}

/// How `/apis` is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiscoveryFormat {
    /// `APIGroupList`: names only.
    Groups,
    /// `APIGroupDiscoveryList` of `apidiscovery.k8s.io/v2`: everything at once.
    AggregatedV2,
    /// The same of `apidiscovery.k8s.io/v2beta1`, for clients before Kubernetes 1.30.
    AggregatedV2Beta1,
}

/// The client takes nothing that we can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only the following media types are accepted: application/json")]
pub(crate) struct NotAcceptable;

impl From<NotAcceptable> for Refusal {
    fn from(error: NotAcceptable) -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            error.to_string(),
        )
    }
}

/// Format of an object or a list.
pub(crate) fn object(headers: &HeaderMap, shape: Shape) -> Result<ObjectFormat, NotAcceptable> {
    first(headers, |range| {
        let Some(kind) = range.kind else {
            return range.asks_for_nothing_else().then_some(ObjectFormat::Json);
        };
        let version = match (range.group, range.version) {
            (Some("meta.k8s.io"), Some("v1")) => MetaVersion::V1,
            (Some("meta.k8s.io"), Some("v1beta1")) => MetaVersion::V1Beta1,
            _ => return None,
        };
        match (kind, shape) {
            ("Table", _) => Some(ObjectFormat::Table(version)),
            ("PartialObjectMetadata", Shape::Single)
            | ("PartialObjectMetadataList", Shape::List) => Some(ObjectFormat::Metadata(version)),
            _ => None,
        }
    })
}

/// Format of `/apis`.
pub(crate) fn discovery(headers: &HeaderMap) -> Result<DiscoveryFormat, NotAcceptable> {
    first(headers, |range| {
        match (range.kind, range.group, range.version) {
            (None, None, None) => Some(DiscoveryFormat::Groups),
            (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2")) => {
                Some(DiscoveryFormat::AggregatedV2)
            }
            (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2beta1")) => {
                Some(DiscoveryFormat::AggregatedV2Beta1)
            }
            _ => None,
        }
    })
}

/// Checks that a document that exists in one shape only may be sent.
pub(crate) fn plain(headers: &HeaderMap) -> Result<(), NotAcceptable> {
    first(headers, |range| range.asks_for_nothing_else().then_some(()))
}

/// One element of `Accept` that JSON satisfies.
#[derive(Clone, Copy, Debug, Default)]
struct JsonRange<'a> {
    kind: Option<&'a str>,
    group: Option<&'a str>,
    version: Option<&'a str>,
    /// `q` in thousandths.
    quality: u16,
    /// 0 for a media type, 1 for `application/*`, 2 for `*/*`.
    wildcards: u8,
}

impl<'a> JsonRange<'a> {
    fn parse(element: &'a str) -> Option<Self> {
        let mut parts = element.split(';').map(str::trim);
        let wildcards = match parts.next()?.to_ascii_lowercase().as_str() {
            "application/json" => 0,
            "application/*" => 1,
            "*/*" | "*" => 2,
            _ => return None,
        };
        let mut range = Self {
            quality: 1000,
            wildcards,
            ..Self::default()
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "as" => range.kind = Some(value),
                "g" => range.group = Some(value),
                "v" => range.version = Some(value),
                "q" => range.quality = thousandths(value),
                _ => {}
            }
        }
        (range.quality > 0).then_some(range)
    }

    fn asks_for_nothing_else(&self) -> bool {
        self.kind.is_none() && self.group.is_none() && self.version.is_none()
    }
}

/// The first range, in the client's order of preference, that `choose` can serve.
fn first<T>(
    headers: &HeaderMap,
    choose: impl Fn(&JsonRange<'_>) -> Option<T>,
) -> Result<T, NotAcceptable> {
    // A value that is not even ASCII asks for something we do not have.
    let values = || {
        headers
            .get_all(ACCEPT)
            .iter()
            .map(|value| value.to_str().unwrap_or("?"))
    };
    let mut ranges: Vec<_> = if values().all(|value| value.trim().is_empty()) {
        vec![JsonRange {
            quality: 1000,
            ..JsonRange::default()
        }]
    } else {
        values()
            .flat_map(|value| value.split(','))
            .filter_map(JsonRange::parse)
            .collect()
    };
    ranges.sort_by_key(|range| (Reverse(range.quality), range.wildcards));
    ranges.iter().find_map(choose).ok_or(NotAcceptable)
}

/// A quality value; one that cannot be read counts as full, as in the API server.
fn thousandths(quality: &str) -> u16 {
    let quality: f32 = quality.parse().unwrap_or(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1000; NaN becomes 0"
    )]
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
    thousandths
}

#[cfg(test)]
mod tests;
