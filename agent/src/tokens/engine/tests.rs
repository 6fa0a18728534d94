//! What the engine says of its watches, against an API server of a few lines.

use std::{
    convert::Infallible,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::stream::pending;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Bytes;
use kube::{client::Body, runtime::watcher::Event};
use proptest::prelude::*;
use tower::service_fn;

use super::*;

const EMPTY: &str =
    r#"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#;
const FAULT: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"starting","reason":"InternalError","code":500}"#;

/// An API server without objects, which fails to start each of its first `faults` watches.
fn server(faults: usize) -> Client {
    let left = Arc::new(AtomicUsize::new(faults));
    let service = service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default();
        let one_less = |left: usize| left.checked_sub(1);
        let whole = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
        let answer = if !query.contains("watch=true") {
            Response::new(whole(EMPTY).boxed_unsync())
        } else if let Ok(_fault) = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            let mut response = Response::new(whole(FAULT).boxed_unsync());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        } else {
            let quiet = pending::<Result<http_body::Frame<_>, Infallible>>();
            Response::new(StreamBody::new(quiet).boxed_unsync())
        };
        ready(Ok::<_, Infallible>(answer))
    });
    Client::new(service, "default")
}

/// The engine of an agent between two such servers, and whether it says that it works.
fn engine(hub: Client, spoke: Client) -> (Engine, watch::Receiver<bool>) {
    let (working, works) = watch::channel(false);
    let metrics = Metrics::default();
    let authority = Arc::default();
    let engine = Engine {
        fleet: Fleet::new(Site::default()),
        hub: watch::channel(hub).1,
        spoke: watch::channel(Spoke {
            client: spoke,
            authority,
        })
        .1,
        notes: Notes::new("managed1", metrics.clone()).0,
        metrics,
        clock: kubernetes::clock::now,
        faults: Faults::default(),
        working,
    };
    (engine, works)
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_fails_to_start_once_and_then_is_quiet_works() {
    for (of_hub, of_spoke) in [(0, 0), (1, 0), (3, 0), (0, 1), (2, 2)] {
        let (engine, mut works) = engine(server(of_hub), server(of_spoke));
        let stop = CancellationToken::new();
        let working = timeout(Duration::from_mins(2), works.wait_for(|works| *works));
        tokio::select! {
            () = engine.run(stop.clone()) => unreachable!("nobody stops it"),
            works = working => assert!(works.is_ok(), "{of_hub} {of_spoke}"),
        }
    }
}

#[tokio::test]
async fn what_one_watch_says_does_not_hide_that_another_one_fails() {
    let (mut engine, works) = engine(server(0), server(0));
    engine.observe(Change::Accounts(Event::InitDone));
    engine.observe(Change::Secrets(Event::InitDone));
    engine.observe(Change::ServiceAccounts(Event::InitDone));
    assert!(*works.borrow());
    engine.observe(Change::Fault(Kind::Secret, "forbidden".to_owned()));
    engine.observe(Change::Accounts(Event::InitDone));
    engine.observe(Change::Runs(Kind::Account));
    assert!(!*works.borrow(), "the watch of Secrets still fails");
    engine.observe(Change::Secrets(Event::Init));
    assert!(!*works.borrow(), "nobody was asked yet");
    engine.observe(Change::Runs(Kind::Secret));
    assert!(*works.borrow());
}

#[tokio::test]
async fn statuses_stop_to_name_a_fault_of_the_managed_cluster_when_its_watch_runs() {
    let (mut engine, _works) = engine(server(0), server(0));
    engine.observe(Change::Fault(Kind::ServiceAccount, "refused".to_owned()));
    engine.observe(Change::ServiceAccounts(Event::Init));
    assert!(engine.fleet.site.spoke_fault.is_some());
    engine.observe(Change::Runs(Kind::Account));
    assert!(engine.fleet.site.spoke_fault.is_some());
    engine.observe(Change::Runs(Kind::ServiceAccount));
    assert!(engine.fleet.site.spoke_fault.is_none());
}

/// One watch: it lists, then it begins, and then it runs. It may fail whenever it asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Watch {
    Lists,
    Begins,
    Runs,
    Failed,
}

impl Watch {
    /// What it does next.
    fn go_on(&mut self, kind: Kind) -> Vec<Change> {
        match self {
            Self::Lists | Self::Failed => {
                *self = Self::Begins;
                listed(kind).into()
            }
            Self::Begins | Self::Runs => {
                *self = Self::Runs;
                vec![Change::Runs(kind)]
            }
        }
    }

    /// It fails to list, to begin, or to go on.
    fn fail(&mut self, kind: Kind) -> Vec<Change> {
        *self = Self::Failed;
        vec![Change::Fault(kind, "refused".to_owned())]
    }
}

fn listed(kind: Kind) -> [Change; 2] {
    match kind {
        Kind::Account => [Event::Init, Event::InitDone].map(Change::Accounts),
        Kind::Secret => [Event::Init, Event::InitDone].map(Change::Secrets),
        Kind::ServiceAccount => [Event::Init, Event::InitDone].map(Change::ServiceAccounts),
    }
}

proptest! {
    #[test]
    fn the_agent_works_while_all_watches_run_and_not_while_one_fails(
        steps in proptest::collection::vec((0..3_usize, any::<bool>()), 0..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let (mut engine, works) = engine(server(0), server(0));
        let mut watches = [Watch::Lists; 3];
        for (chosen, fails) in steps {
            let (watch, kind) = (&mut watches[chosen], Kind::ALL[chosen]);
            let changes = if fails { watch.fail(kind) } else { watch.go_on(kind) };
            for change in changes {
                engine.observe(change);
            }
            let works = *works.borrow();
            if watches.iter().all(|it| *it == Watch::Runs) {
                prop_assert!(works, "nothing fails");
            }
            if watches.contains(&Watch::Failed) || watches.contains(&Watch::Lists) {
                prop_assert!(!works, "{watches:?}");
            }
        }
    }
}
