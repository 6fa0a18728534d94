//! One request from its head to its answer: route, authenticate, authorize, and hand over. Only
//! health is answered without authentication.

mod first_contact;
mod health;
mod task;

use std::{sync::Arc, time::Duration};

use crds::{
    ClusterName,
    cluster_core::{ClusterGateway, VirtualCluster},
};
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

use self::task::{Asked, Task};
use crate::{
    api::{
        self, Answer,
        accept::Shape,
        discovery::Discovery,
        openapi::OpenApi,
        options::{Options, WatchOptions},
        page::Page,
        rendering::Rendering,
    },
    attach::Attach,
    audit::Audit,
    authentication::{Authenticator, Peer, User},
    authorization::{Action, Authorizer, Inner, Question},
    body::Body,
    clusters::{Clusters, Shown, refusal::not_read_yet},
    health::HealthNotes,
    proxy::{Call, Proxy},
    route::{Collection, Document, Own, PathError, Route, route},
    status::{Refusal, Refused},
    watch::{Printer, Watch},
};

/// How long a list or a watch waits until the hub is known to have reached a revision.
const REACH_DEADLINE: Duration = Duration::from_secs(3);

/// Everything that is needed to answer a request.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) authorizer: Authorizer,
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) proxy: Proxy,
    pub(crate) audit: Audit,
    pub(crate) attach: Attach,
    pub(crate) discovery: Discovery,
    pub(crate) openapi: OpenApi,
    pub(crate) admin: Admin,
    /// Whether the hub's RBAC also decides what callers may do inside managed clusters.
    pub(crate) authorizes_inner: bool,
    /// The settings that the operator has to know, as JSON.
    pub(crate) settings: String,
    /// The process is about to end.
    pub(crate) drain: CancellationToken,
    /// Where health is kept that callers report.
    pub(crate) health_notes: HealthNotes,
    /// Connections of callers open now.
    pub(crate) connections: Gauge,
}

impl Gateway {
    /// Answers one request of `peer`.
    pub(crate) async fn answer(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
        let head_only = request.method() == Method::HEAD;
        let is_first_contact = first_contact::is(&request);
        let answered = self.dispatch(peer, request).await;
        let mut response =
            answered.unwrap_or_else(|refusal| refusal.into_response().map(Body::from));
        if let Some(refused) = response.extensions().get::<Refused>() {
            self.proxy.metrics.refused(refused.phase, response.status());
        }
        if is_first_contact {
            response = first_contact::shown(response);
        }
        if head_only {
            *response.body_mut() = Body::Empty;
        }
        response
    }

    async fn dispatch(
        &self,
        peer: &Peer,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let asked = match route(request.uri().path()) {
            Ok(Route::Mine) => return self.mine(peer, request).await,
            Ok(Route::Livez) => return Ok(text(StatusCode::OK, "ok")),
            Ok(Route::Readyz) => return Ok(self.readyz()),
            Ok(Route::Settings) => return Ok(json(&self.settings)),
            Ok(Route::Endpoint(endpoint)) => Ok(Asked::of(endpoint, &request)),
            Err(fault @ PathError::TooLong) => Err(Refusal::too_long(fault.to_string())),
            Err(fault) => Err(Refusal::bad_request(fault.to_string())),
        };
        let user = self
            .authenticator
            .authenticate(peer, request.headers(), UnixTime::now())
            .await?;
        let Asked { action, task } = asked?;
        let action = self.inner(&request, &task).unwrap_or(action);
        let question = Arc::new(Question { user, action });
        let pending = match &task {
            Task::Forward(to) => self
                .audit
                .begin(&mut request, peer.address(), &question, to),
            Task::Attach(_) | Task::Own(_) => None,
        };
        let authorized = self.authorizer.authorize(&question).await;
        if let (Err(refusal), Some(pending)) = (&authorized, &pending) {
            pending.answered(refusal.code(), Some(refusal.message()));
        }
        authorized?;
        match task {
            Task::Attach(cluster) => self.attach.upgrade(request, question.user.clone(), cluster),
            Task::Forward(to) => {
                let call = Call {
                    question: &question,
                    to,
                    pending: pending.clone(),
                };
                let response = self.proxy.forward(request, call).await;
                if let Some(pending) = pending {
                    let refused = response.extensions().get::<Refused>();
                    pending.answered(response.status(), refused.map(|it| it.message.as_str()));
                }
                Ok(response)
            }
            Task::Own(own) => self.own(own, request, &question.user).await,
        }
    }

    /// What the request asks of a managed cluster, if the hub's RBAC decides on that.
    fn inner<B>(&self, request: &Request<B>, task: &Task) -> Option<Action> {
        let Task::Forward(to) = task else {
            return None;
        };
        if !self.authorizes_inner || to.service.is_some() {
            return None;
        }
        let uri = request.uri();
        let inner = Inner::of(
            &to.cluster,
            request.method(),
            to.tail(uri.path()),
            uri.query(),
        );
        Some(Action::Inner(inner))
    }

    /// Answers from what the gateway itself knows.
    async fn own(
        &self,
        own: Own,
        request: Request<Incoming>,
        caller: &User,
    ) -> Result<Response<Body>, Refusal> {
        let method = request.method();
        if let Own::Health(name) = &own
            && matches!(*method, Method::PUT | Method::PATCH)
        {
            return self.report_health(request, name, caller).await;
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Ok(method_not_allowed(method, &own));
        }
        let (head, _) = request.into_parts();
        match own {
            Own::Document(document) => self.document(document, &head),
            Own::List(Collection::ClusterGateways) => self.list::<ClusterGateway>(&head).await,
            Own::List(Collection::VirtualClusters) => self.list::<VirtualCluster>(&head).await,
            Own::Get(Collection::ClusterGateways, name) => self.get::<ClusterGateway>(&head, &name),
            Own::Get(Collection::VirtualClusters, name) => self.get::<VirtualCluster>(&head, &name),
            Own::Health(name) => self.health(&head, &name, caller).await,
            Own::Unknown => Err(Refusal::not_found(head.uri.path())),
        }
    }

    fn document(&self, document: Document, head: &Parts) -> Result<Response<Body>, Refusal> {
        let (headers, query) = (&head.headers, head.uri.query());
        let answer = match document {
            Document::Metrics => return Ok(self.metrics()),
            Document::Groups => self.discovery.apis(headers)?,
            Document::Group => self.discovery.group(headers)?,
            Document::Resources => self.discovery.resources(headers)?,
            Document::OpenApiV2 => self.openapi.v2(headers)?,
            Document::OpenApiV3 => self.openapi.v3_index(),
            Document::OpenApiV3GroupVersion => &self.openapi.v3(headers, query)?,
        };
        Ok(response(head, answer))
    }

    async fn list<K: Shown>(&self, head: &Parts) -> Result<Response<Body>, Refusal> {
        let options = options(head)?;
        if let Some(revision) = options.not_older_than() {
            // Another replica may have seen this revision already.
            let clusters = &self.clusters;
            clusters.reached::<K>(revision, REACH_DEADLINE).await;
        }
        if let Some(watch) = options.watch {
            return self.watch::<K>(head, watch, options).await;
        }
        let rendering = rendering(head, Shape::List, &options)?;
        let listed = K::listed(&self.clusters).await;
        let listed = listed.ok_or_else(not_read_yet)?;
        let objects = listed.objects.iter().map(AsRef::as_ref);
        let page = Page::<K>::of(objects, listed.revision, &options);
        let list = api::objects::list(page.objects.iter().copied(), page.metadata(), rendering);
        Ok(response(head, &list))
    }

    async fn watch<K: Shown>(
        &self,
        head: &Parts,
        watch: WatchOptions,
        options: Options,
    ) -> Result<Response<Body>, Refusal> {
        let rendering = rendering(head, Shape::Single, &options)?;
        let printer = Printer {
            rendering,
            clock: now,
        };
        let (clusters, drain) = (Arc::clone(&self.clusters), self.drain.clone());
        let watch = Watch::<K>::begin(clusters, watch, options.selection, printer, drain).await?;
        let mut response = Response::new(Body::Watch(Box::new(watch)));
        describe(response.headers_mut(), "application/json", None);
        Ok(response)
    }

    fn get<K: Shown>(&self, head: &Parts, name: &ClusterName) -> Result<Response<Body>, Refusal> {
        let rendering = rendering(head, Shape::Single, &options(head)?)?;
        let object = K::one(&self.clusters, name)?;
        Ok(response(head, &api::objects::single(&*object, rendering)))
    }

    /// The caller's own clusters. The hub's API server lets every authenticated caller ask, and the
    /// gateway tells each of them only of itself.
    async fn mine(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let (head, _) = request.into_parts();
        let caller = self
            .authenticator
            .authenticate(peer, &head.headers, UnixTime::now())
            .await?;
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Ok(method_not_allowed(&head.method, &Own::Unknown));
        }
        let format = api::accept::object(&head.headers, Shape::List)?;
        let grants = self.proxy.grants.as_deref();
        let granted = grants.map(|grants| grants.of_caller(&caller));
        let mine = granted.into_iter().flatten().map(|(cluster, grants)| {
            let shown = self.clusters.shown(&cluster).ok();
            let healthy = shown.and_then(|it| it.status.as_ref().map(|status| status.healthy));
            api::mine::one(&cluster, healthy, grants)
        });
        let mine: Vec<_> = mine.collect();
        Ok(response(&head, &api::mine::list(&mine, format)))
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

fn response(head: &Parts, answer: &Answer) -> Response<Body> {
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

/// Sets the headers that every answer of the gateway itself has.
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

fn json(text: &str) -> Response<Body> {
    let mut response = Response::new(Body::Full(text.to_owned().into()));
    describe(response.headers_mut(), "application/json", None);
    response
}

fn method_not_allowed(method: &Method, own: &Own) -> Response<Body> {
    let (what, allowed) = match own {
        Own::Health(_) => (
            "the health of a cluster can be read, replaced and patched",
            "GET, HEAD, PATCH, PUT",
        ),
        _ => ("only reading and watching is", "GET, HEAD"),
    };
    let message = format!("{method} is not supported here: {what}");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
    let mut response = refusal.into_response().map(Body::from);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}
