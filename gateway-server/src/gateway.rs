//! One request from its head to its answer: route, authenticate, authorize, and hand over. Health
//! is the only thing answered to strangers.

use std::sync::Arc;

use crds::ClusterName;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY},
    request::Parts,
};
use hyper::body::Incoming;
use kubernetes::clock::now;
use prometheus_client::metrics::gauge::Gauge;
use runtime::admin::{Admin, METRICS_CONTENT_TYPE, metrics_text};
use rustls::pki_types::UnixTime;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        self, Answer,
        accept::Shape,
        discovery::Discovery,
        openapi::OpenApi,
        options::{Options, WatchOptions},
        rendering::Rendering,
    },
    attach::Attach,
    authentication::{Authenticator, Peer, User},
    authorization::{Action, Authorizer},
    body::Body,
    clusters::{Clusters, refusal::not_read_yet},
    proxy::{Call, Proxy},
    route::{Route, route},
    status::Refusal,
    verb::Verb,
    watch::Watch,
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
    /// The process is about to end.
    pub(crate) drain: CancellationToken,
    /// Connections of callers open now.
    pub(crate) connections: Gauge,
}

impl Gateway {
    /// Answers one request of `peer`.
    pub(crate) async fn answer(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
        let head_only = request.method() == Method::HEAD;
        let answered = self.dispatch(peer, request).await;
        let mut response =
            answered.unwrap_or_else(|refusal| refusal.into_response().map(Body::from));
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
        let options = options(head)?;
        if let Some(watch) = options.watch {
            return self.watch(head, watch, options);
        }
        let rendering = rendering(head, Shape::List, &options)?;
        let listed = self.clusters.listed();
        let listed = listed.ok_or_else(not_read_yet)?;
        let shown = listed.objects.iter().map(AsRef::as_ref);
        let shown = shown.filter(|object| options.selection.chooses(object));
        let revision = listed.revision.to_string();
        Ok(document(
            head,
            &api::objects::list(shown, &revision, rendering),
        ))
    }

    fn watch(
        &self,
        head: &Parts,
        watch: WatchOptions,
        options: Options,
    ) -> Result<Response<Body>, Refusal> {
        let rendering = rendering(head, Shape::Single, &options)?;
        let (clusters, drain) = (Arc::clone(&self.clusters), self.drain.clone());
        let begun = Watch::begin(clusters, watch, options.selection, (rendering, now), drain);
        let watch = begun.ok_or_else(not_read_yet)?;
        let mut response = Response::new(Body::Watch(Box::new(watch)));
        describe(response.headers_mut(), "application/json", None);
        Ok(response)
    }

    fn get(&self, head: &Parts, name: &ClusterName) -> Result<Response<Body>, Refusal> {
        let rendering = rendering(head, Shape::Single, &options(head)?)?;
        let shown = self.clusters.shown(name);
        let object = shown.map_err(|unshown| unshown.refusal(name))?;
        Ok(document(head, &api::objects::single(&object, rendering)))
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
            // One that makes no sense is refused to whoever may list all.
            let options = Options::parse(request.uri().query()).unwrap_or_default();
            let verb = match verb {
                Verb::Get if options.watch.is_some() => Verb::Watch,
                Verb::Get => Verb::List,
                other => other,
            };
            // As API servers do, so that who may list one cluster can.
            let name = options.selection.only();
            Action::Resource {
                verb,
                subresource: "",
                name: name.and_then(|name| name.parse().ok()),
            }
        }
        _ => Action::Path {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
        },
    }
}

fn options(head: &Parts) -> Result<Options, Refusal> {
    let options = Options::parse(head.uri.query());
    options.map_err(|fault| Refusal::bad_request(fault.to_string()))
}

fn rendering(head: &Parts, shape: Shape, options: &Options) -> Result<Rendering, Refusal> {
    Ok(Rendering {
        format: api::accept::object(&head.headers, shape)?,
        include: options.include,
        now: now(),
    })
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
    describe(headers, answer.content_type, answer.cache_control);
    if let Some(etag) = &answer.etag {
        headers.insert(ETAG, etag.clone());
    }
    response
}

/// What every answer of our own says of itself.
fn describe(headers: &mut HeaderMap, content_type: &'static str, caching: Option<&'static str>) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    let caching = caching.unwrap_or("no-cache, private");
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
}

fn text(code: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::Full(text.to_owned().into()));
    *response.status_mut() = code;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn method_not_allowed(method: &Method) -> Response<Body> {
    let message = format!(
        "{method} is not supported here: clustergateways can be read by get, list and watch"
    );
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
    let mut response = refusal.into_response().map(Body::from);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
