//! One request from its head to its answer: route, authenticate, authorize, and hand over. Health
//! is the only thing answered to strangers.

use std::sync::Arc;

use crds::ClusterName;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY},
    request::Parts,
};
use hyper::body::Incoming;
use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use runtime::admin::{Admin, METRICS_CONTENT_TYPE, metrics_text};
use rustls::pki_types::UnixTime;

use crate::{
    api::{
        self, Answer, accept::Shape, discovery::Discovery, objects::Rendering, openapi::OpenApi,
        options::Options,
    },
    attach::Attach,
    authentication::{Authenticator, Peer, User},
    authorization::{Action, Authorizer},
    body::Body,
    clusters::{Absent, Clusters},
    proxy::{Call, Proxy, request_info::Verb},
    route::{Route, route},
    status::Refusal,
};

/// Everything that answering a request takes.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) authorizer: Authorizer,
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) proxy: Proxy,
    pub(crate) attach: Attach,
    pub(crate) discovery: Discovery,
    pub(crate) openapi: OpenApi,
    pub(crate) admin: Admin,
    /// Connections of callers open now.
    pub(crate) connections: Gauge,
}

impl Gateway {
    /// Answers one request of `peer`.
    pub(crate) async fn answer(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
        let head_only = request.method() == Method::HEAD;
        let answered = self.dispatch(peer, request).await;
        let mut response = answered.unwrap_or_else(Refusal::into_response);
        if head_only {
            *response.body_mut() = Body::Empty;
        }
        response
    }

    async fn dispatch(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let routed = route(request.uri().path());
        match routed {
            Ok(Route::Livez) => return Ok(text(StatusCode::OK, "ok")),
            Ok(Route::Readyz) => return Ok(self.readyz()),
            _ => {}
        }
        let user = self
            .authenticator
            .authenticate(peer, request.headers(), UnixTime::now())?;
        let route = routed.map_err(|fault| Refusal::bad_request(fault.to_string()))?;
        if let Route::Attach(cluster) = route {
            let question = Arc::new((user.clone(), Action::attach(&cluster)));
            self.authorizer.authorize(&question).await?;
            return self.attach.upgrade(request, user, cluster);
        }
        let question = Arc::new((user, action(&route, &request)));
        self.authorizer.authorize(&question).await?;
        if let Some(call) = call(&route, &question.0) {
            return Ok(self.proxy.forward(request, call).await);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(method_not_allowed(request.method()));
        }
        let route = route.into_owned();
        if let Route::Health(name) = &route {
            self.clusters.probe(name).await;
        }
        let (head, _) = request.into_parts();
        self.own(&route, &head)
    }

    /// Answers from what the gateway itself knows.
    fn own(&self, route: &Route<'_>, head: &Parts) -> Result<Response<Body>, Refusal> {
        let (headers, query) = (&head.headers, head.uri.query());
        match route {
            Route::Metrics => Ok(self.metrics()),
            Route::Groups => Ok(document(head, self.discovery.apis(headers)?)),
            Route::Group => Ok(document(head, self.discovery.group(headers)?)),
            Route::Resources => Ok(document(head, self.discovery.resources(headers)?)),
            Route::OpenApiV2 => Ok(document(head, self.openapi.v2(headers)?)),
            Route::OpenApiV3 => Ok(document(head, self.openapi.v3_index())),
            Route::OpenApiV3GroupVersion => Ok(document(head, &self.openapi.v3(headers, query)?)),
            Route::List => self.list(head),
            Route::Get(name) | Route::Health(name) => self.get(head, name),
            Route::Livez
            | Route::Readyz
            | Route::Attach(_)
            | Route::Proxy { .. }
            | Route::Service { .. }
            | Route::Unknown => Err(Refusal::not_found(head.uri.path())),
        }
    }

    fn list(&self, head: &Parts) -> Result<Response<Body>, Refusal> {
        let (options, rendering) = rendering(head, Shape::List)?;
        if options.watch {
            return Ok(method_not_allowed(&head.method));
        }
        let snapshot = self.clusters.snapshot();
        if !snapshot.complete {
            return Err(Refusal::not_read_yet());
        }
        let shown = snapshot.by_name.iter().filter(|(name, cluster)| {
            let labels = cluster
                .object
                .as_ref()
                .and_then(|object| object.metadata.labels.as_ref());
            options.selection.matches(name.as_str(), labels)
        });
        let shown: Vec<_> = shown.filter_map(|(_, cluster)| cluster.shown()).collect();
        Ok(document(
            head,
            &api::objects::list(&shown, &snapshot.resource_version, rendering),
        ))
    }

    fn get(&self, head: &Parts, name: &ClusterName) -> Result<Response<Body>, Refusal> {
        let (_, rendering) = rendering(head, Shape::Single)?;
        let refusal = |absent| Refusal::absent(name, absent);
        let cluster = self.clusters.find(name).map_err(refusal)?;
        match (cluster.shown(), &cluster.access) {
            (Some(object), _) => Ok(document(head, &api::objects::single(&object, rendering))),
            (None, Err(unusable)) => Err(Refusal::unreadable(name, &unusable.to_string())),
            (None, Ok(_)) => Err(refusal(Absent::Unknown)),
        }
    }

    fn readyz(&self) -> Response<Body> {
        let readiness = &self.admin.readiness;
        let ready = readiness.is_ready();
        let code = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        text(code, &readiness.report())
    }

    fn metrics(&self) -> Response<Body> {
        let mut response = text(StatusCode::OK, &metrics_text(&self.admin.metrics));
        let content_type = HeaderValue::from_static(METRICS_CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// What is for a managed cluster to answer.
fn call<'a>(route: &Route<'_>, caller: &'a User) -> Option<Call<'a>> {
    let (cluster, service, tail) = match route {
        Route::Proxy { cluster, tail } => (cluster, None, tail),
        Route::Service {
            cluster,
            service,
            tail,
        } => (cluster, Some(service.clone()), tail),
        _ => return None,
    };
    Some(Call {
        caller,
        cluster: cluster.clone(),
        service,
        tail_length: tail.len(),
    })
}

/// What the hub's RBAC is asked about a request.
fn action(route: &Route<'_>, request: &Request<Incoming>) -> Action {
    let verb = Verb::of_method(request.method());
    match route {
        Route::Proxy { cluster, .. } => Action::of(verb, "proxy", cluster),
        Route::Service { cluster, .. } => Action::of(verb, "services", cluster),
        Route::Get(cluster) => Action::of(verb, "", cluster),
        Route::Health(cluster) => Action::of(verb, "health", cluster),
        Route::List => {
            let verb = if verb == Verb::Get { Verb::List } else { verb };
            Action::Resource {
                verb,
                subresource: "",
                name: None,
            }
        }
        _ => Action::Path {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
        },
    }
}

fn rendering(head: &Parts, shape: Shape) -> Result<(Options, Rendering), Refusal> {
    let options = Options::parse(head.uri.query())
        .map_err(|fault| Refusal::bad_request(fault.to_string()))?;
    let format = api::accept::object(&head.headers, shape)?;
    let include = options.include;
    Ok((
        options,
        Rendering {
            format,
            include,
            now: now(),
        },
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge where the time of a rendering enters"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn document(head: &Parts, answer: &Answer) -> Response<Body> {
    let known = answer.is_known_to(&head.headers);
    let mut response = Response::new(if known {
        Body::Empty
    } else {
        Body::Full(answer.body.clone())
    });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    let cache_control = answer.cache_control.unwrap_or("no-cache, private");
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    if let Some(etag) = &answer.etag {
        headers.insert(ETAG, etag.clone());
    }
    response
}

fn text(code: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::Full(text.to_owned().into()));
    *response.status_mut() = code;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn method_not_allowed(method: &Method) -> Response<Body> {
    let message =
        format!("{method} is not supported here: clustergateways can be read by get and list");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
    let mut response = refusal.into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
