//! One event of `audit.k8s.io/v1`, and what it is made of. Pure.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr, sync::Arc};

use crds::gateway::{GROUP_MEMBER, USER_EXTRA};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header::USER_AGENT};
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use serde::{Serialize, Serializer};

use super::{object::Object, shown_uri::shown};
use crate::{
    acting::Acting, authorization::Question, destination::Destination, request_info::decoded,
};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What is shown of a user agent, as in kube-apiserver.
const LONGEST_USER_AGENT: usize = 1024;
const LONGEST_METHOD: usize = 16;
/// How many addresses a request can have passed.
const MOST_ADDRESSES: usize = 16;
/// What a request takes in memory without its texts.
const FIXED: usize = 1024;

/// What is known of a request when it comes. It owns its texts, because a part of a head would keep
/// all of it in memory.
#[derive(Debug)]
pub(super) struct Facts {
    id: String,
    method: Method,
    path: String,
    query: Option<String>,
    to: Destination,
    question: Arc<Question>,
    user_agent: Option<String>,
    source_ips: Vec<IpAddr>,
    received: Timestamp,
}

/// What is known of it later.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) acting: Option<Acting>,
    pub(super) code: Option<StatusCode>,
    /// Why the gateway has refused it.
    pub(super) refusal: Option<String>,
}

/// A request at one moment of its life.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) facts: Arc<Facts>,
    pub(super) outcome: Outcome,
    pub(super) stage: &'static str,
    pub(super) at: Timestamp,
}

/// The Audit-ID that the hub has given to the request. Without one that is usable, it gets a new one.
pub(super) fn audit_id(headers: &mut HeaderMap) -> String {
    let given = headers.get(AUDIT_ID).and_then(|id| id.to_str().ok());
    let is_usable =
        |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(id) = given.filter(is_usable) {
        return id.to_owned();
    }
    let id = random_id();
    let value = HeaderValue::try_from(&id).expect("hexadecimal digits and dashes");
    headers.insert(AUDIT_ID, value);
    id
}

/// A UUID of version 4 (RFC 9562 §5.4).
fn random_id() -> String {
    let mut bytes = [0; 16];
    // Without random numbers no TLS handshake would have succeeded.
    let _ = aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

impl Facts {
    pub(super) fn new<B>(
        id: String,
        request: &Request<B>,
        peer: IpAddr,
        question: &Arc<Question>,
        to: &Destination,
        received: Timestamp,
    ) -> Self {
        let (uri, headers) = (request.uri(), request.headers());
        Self {
            id,
            method: bounded(request.method()),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            to: to.clone(),
            question: Arc::clone(question),
            user_agent: headers.get(USER_AGENT).map(user_agent),
            source_ips: source_ips(headers, peer),
            received,
        }
    }
}

/// Methods that nobody has defined can be long.
fn bounded(method: &Method) -> Method {
    if method.as_str().len() <= LONGEST_METHOD {
        return method.clone();
    }
    Method::from_bytes(b"OTHER").expect("letters")
}

fn user_agent(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_USER_AGENT)]).into_owned()
}

/// The addresses that the request came by, the caller's first. Each but the last is only what the
/// next one said.
fn source_ips(headers: &HeaderMap, peer: IpAddr) -> Vec<IpAddr> {
    let said = headers.get(FORWARDED_FOR).and_then(|it| it.to_str().ok());
    let said = said.into_iter().flat_map(|it| it.split(','));
    let said = said.filter_map(|it| it.trim().parse().ok());
    let mut addresses: Vec<IpAddr> = said.take(MOST_ADDRESSES).collect();
    let peer = peer.to_canonical();
    if addresses.last() != Some(&peer) {
        addresses.push(peer);
    }
    addresses
}

impl Event {
    /// About how much memory it takes until it is written.
    pub(super) fn size(&self) -> usize {
        let Facts {
            path,
            query,
            question,
            user_agent,
            ..
        } = &*self.facts;
        let user = &question.user;
        let texts = [query, user_agent, &self.outcome.refusal];
        let texts = texts
            .into_iter()
            .flatten()
            .chain([path, &user.name, &user.uid]);
        let extra = user.extra.iter();
        let extra = extra.flat_map(|(key, values)| values.iter().chain([key]));
        let all = texts.chain(&user.groups).chain(extra);
        let all: usize = all.map(|text| text.len() + size_of::<String>()).sum();
        FIXED + all
    }

    /// Appends it as one line of JSON.
    pub(super) fn write(&self, lines: &mut Vec<u8>) {
        let Facts {
            id,
            method,
            path,
            query,
            to,
            question,
            user_agent,
            source_ips,
            received,
        } = &*self.facts;
        let (tail, query) = (decoded(to.tail(path)), query.as_deref());
        let object = Object::read(method, &tail, query, to.service.as_ref());
        let user = &question.user;
        let line = Line {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: "Metadata",
            audit_id: id,
            stage: self.stage,
            request_uri: shown(path, query, object.is_for_others()),
            verb: &object.verb,
            user: Identity {
                username: Cow::Borrowed(&user.name),
                uid: &user.uid,
                groups: Groups::OfHub(&user.groups),
                extra: None,
            },
            impersonated_user: self.outcome.acting.as_ref().and_then(impersonated),
            source_ips,
            user_agent: user_agent.as_deref(),
            object_ref: object.is_resource().then(|| Reference::of(&object)),
            response_status: self.status(),
            request_received_timestamp: Microseconds(*received),
            stage_timestamp: Microseconds(self.at),
            annotations: self.annotations(),
        };
        serde_json::to_writer(&mut *lines, &line).expect("a Vec takes everything");
        lines.push(b'\n');
    }

    /// Without a status, the caller left before the answer began.
    fn status(&self) -> Option<Response<'_>> {
        let message = self.outcome.refusal.as_deref();
        Some(Response {
            metadata: NoFields {},
            status: message.map(|_| "Failure"),
            message,
            code: self.outcome.code?.as_u16(),
        })
    }

    fn annotations(&self) -> Annotations<'_> {
        let has_left = self.outcome.code.is_none() && self.stage == "ResponseComplete";
        Annotations {
            cluster: self.facts.to.cluster.as_str(),
            identity: self.outcome.acting.as_ref().map(Acting::kind),
            caller_left: has_left.then_some("true"),
        }
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Who the managed cluster takes the caller for. The gateway's account is nobody else.
fn impersonated(acting: &Acting) -> Option<Identity<'_>> {
    let (username, groups, caller) = match acting {
        Acting::User { user, groups } => (text(user), groups, None),
        Acting::Member { caller, groups } => (GROUP_MEMBER.into(), groups, Some(text(caller))),
        Acting::Account => return None,
    };
    Some(Identity {
        username,
        uid: "",
        groups: Groups::OfGrants(groups),
        extra: caller.map(|caller| [(USER_EXTRA, [caller])].into()),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    kind: &'static str,
    api_version: &'static str,
    level: &'static str,
    #[serde(rename = "auditID")]
    audit_id: &'a str,
    stage: &'static str,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: &'a str,
    user: Identity<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_user: Option<Identity<'a>>,
    #[serde(rename = "sourceIPs")]
    source_ips: &'a [IpAddr],
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_ref: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<Response<'a>>,
    request_received_timestamp: Microseconds,
    stage_timestamp: Microseconds,
    annotations: Annotations<'a>,
}

#[derive(Serialize)]
struct Identity<'a> {
    username: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    groups: Groups<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<BTreeMap<&'static str, [Cow<'a, str>; 1]>>,
}

enum Groups<'a> {
    OfHub(&'a [String]),
    OfGrants(&'a [HeaderValue]),
}

impl Serialize for Groups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::OfHub(groups) => serializer.collect_seq(*groups),
            Self::OfGrants(groups) => serializer.collect_seq(groups.iter().map(text)),
        }
    }
}

/// A time as Kubernetes writes it in events.
struct Microseconds(Timestamp);

impl Serialize for Microseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

/// A `metav1.Status`.
#[derive(Serialize)]
struct Response<'a> {
    metadata: NoFields,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    code: u16,
}

#[derive(Serialize)]
struct NoFields {}

#[derive(Serialize)]
struct Annotations<'a> {
    #[serde(rename = "gateway.open-cluster-management.io/cluster")]
    cluster: &'a str,
    /// The kind of identity that the request acts as on the cluster.
    #[serde(
        rename = "gateway.open-cluster-management.io/identity",
        skip_serializing_if = "Option::is_none"
    )]
    identity: Option<&'static str>,
    /// The caller left before the answer began.
    #[serde(
        rename = "gateway.open-cluster-management.io/caller-left",
        skip_serializing_if = "Option::is_none"
    )]
    caller_left: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_group: &'a str,
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subresource: &'a str,
}

impl<'a> Reference<'a> {
    fn of(object: &'a Object<'_>) -> Self {
        Self {
            resource: object.resource,
            namespace: &object.namespace,
            name: &object.name,
            api_group: object.group,
            api_version: object.version,
            subresource: object.subresource,
        }
    }
}
