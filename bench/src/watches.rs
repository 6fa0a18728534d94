//! Many watches on one object of the spoke: how long it takes until all are established, how soon
//! an event has reached every one of them, and what they cost the stack that they go through.

use std::time::Duration;

use anyhow::Context as _;
use e2e::Cluster;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    callers::create,
    client::{Connection, Get},
    statistics::{Latencies, Series, number},
    table::{Table, figure},
    usage::anonymous_of_own,
    way::{Path, Way},
};

/// The number of connections. An API server accepts 100 streams on each, so this is more than 500
/// watches need.
const CONNECTIONS: usize = 8;
const OBJECT: &str = "watched";
const DELIVERED_WITHIN: Duration = Duration::from_secs(30);

/// How many watches, and how many events each of them gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) watches: usize,
    pub(crate) events: usize,
}

/// Figures of the watches on one path.
#[derive(Debug)]
struct Watching {
    path: Path,
    /// Seconds until all had begun.
    set_up: Series,
    /// Milliseconds from sending the write to the event's arrival.
    p50: Series,
    p99: Series,
    /// KiB of the stack's anonymous memory per watch.
    memory: Series,
}

/// All figures of the watches.
#[derive(Debug)]
pub(crate) struct Watches {
    extent: Extent,
    /// The path of the watched object.
    objects: Api<ConfigMap>,
    paths: Vec<Watching>,
}

impl Watches {
    pub(crate) async fn open(spoke: &Cluster, extent: Extent) -> anyhow::Result<Self> {
        let objects = Api::default_namespaced(spoke.client());
        create(&objects, json!({"metadata": {"name": OBJECT}})).await?;
        Ok(Self {
            extent,
            objects,
            paths: Vec::new(),
        })
    }

    /// One round: all watches on one way, whose stack has just started.
    pub(crate) async fn round(&mut self, way: &Way<'_>) -> anyhow::Result<()> {
        let Extent { watches, events } = self.extent;
        let connections = way.client.connections(CONNECTIONS).await?;
        let version = self.objects.get(OBJECT).await?.metadata.resource_version;
        let request = way.client.get(&format!(
            "/api/v1/namespaces/default/configmaps?watch=true\
             &fieldSelector=metadata.name%3D{OBJECT}&resourceVersion={}",
            version.context("an object without a version")?
        ))?;
        let before = anonymous_of_own(way)?;
        let started = Instant::now();
        let bodies = begin(&connections, &request, watches).await?;
        let set_up = started.elapsed().as_secs_f64();
        let mut tasks = JoinSet::new();
        let delays = deliver(&self.objects, events, bodies, &mut tasks).await?;
        let grown = anonymous_of_own(way)? - before;
        let watching = self.of(way.path);
        watching.set_up.push(set_up);
        watching.p50.push(delays.percentile(50));
        watching.p99.push(delays.percentile(99));
        if way.own().next().is_some() {
            watching.memory.push(grown / number(watches as u64));
        }
        Ok(())
    }

    fn of(&mut self, path: Path) -> &mut Watching {
        let known = self.paths.iter().position(|it| it.path == path);
        let index = known.unwrap_or_else(|| {
            self.paths.push(Watching::new(path));
            self.paths.len() - 1
        });
        &mut self.paths[index]
    }

    /// Seconds until all had begun.
    pub(crate) fn set_up(&self, path: Path) -> f64 {
        self.figure(path, |it| it.set_up.median())
    }

    /// Milliseconds.
    pub(crate) fn delivery_p50(&self, path: Path) -> f64 {
        self.figure(path, |it| it.p50.median())
    }

    /// KiB per watch.
    pub(crate) fn memory(&self, path: Path) -> f64 {
        self.figure(path, |it| it.memory.median())
    }

    fn figure(&self, path: Path, figure: fn(&Watching) -> f64) -> f64 {
        let found = self.paths.iter().find(|it| it.path == path);
        found.map_or(f64::NAN, figure)
    }

    pub(crate) fn table(&self) -> Table {
        let Extent { watches, events } = self.extent;
        let title = format!("{watches} watches, {events} events");
        let mut table = Table::new(&[
            &title,
            "set-up s",
            "delivery p50 ms",
            "delivery p99 ms",
            "KiB/watch, all of the stack",
        ]);
        for watching in &self.paths {
            table.row([
                watching.path.to_string(),
                figure(watching.set_up.median(), 2),
                figure(watching.p50.median(), 1),
                figure(watching.p99.median(), 1),
                figure(watching.memory.median(), 1),
            ]);
        }
        table
    }
}

impl Watching {
    fn new(path: Path) -> Self {
        Self {
            path,
            set_up: Series::default(),
            p50: Series::default(),
            p99: Series::default(),
            memory: Series::default(),
        }
    }
}

/// Sends all watches at once and waits until every one has been answered.
async fn begin(
    connections: &[Connection],
    request: &Get,
    count: usize,
) -> anyhow::Result<Vec<Incoming>> {
    let mut asked = JoinSet::new();
    for (_, connection) in (0..count).zip(connections.iter().cycle()) {
        let (mut sender, request) = (connection.sender(), request.clone());
        asked.spawn(async move { sender.send(&request).await });
    }
    let mut bodies = Vec::new();
    while let Some(response) = asked.join_next().await {
        bodies.push(response??.into_body());
    }
    Ok(bodies)
}

/// Writes to the object repeatedly. Returns how long each event took to reach each watch. The
/// watches stay open in `watches`.
async fn deliver(
    objects: &Api<ConfigMap>,
    events: usize,
    bodies: Vec<Incoming>,
    watches: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<Latencies> {
    let (arrived, mut arrivals) = mpsc::channel(bodies.len());
    for body in bodies {
        watches.spawn(follow(body, arrived.clone()));
    }
    let mut delays = Vec::new();
    for event in 0..events {
        let patch = Patch::Merge(json!({"data": {"event": event.to_string()}}));
        let sent = Instant::now();
        objects
            .patch(OBJECT, &PatchParams::default(), &patch)
            .await?;
        for _ in 0..watches.len() {
            let arrival = timeout(DELIVERED_WITHIN, arrivals.recv()).await;
            let arrival = arrival.context("an event did not reach every watch")?;
            let arrival: Instant = arrival.context("every watch has ended")?;
            delays.push(arrival - sent);
        }
    }
    Ok(Latencies::new(delays))
}

/// Reports when each event was complete. An event is a line.
async fn follow(mut body: Incoming, arrived: mpsc::Sender<Instant>) -> anyhow::Result<()> {
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        let events = data.split(|&byte| byte == b'\n').skip(1);
        let now = Instant::now();
        for _ in events {
            arrived.send(now).await?;
        }
    }
    anyhow::bail!("a watch ended")
}
