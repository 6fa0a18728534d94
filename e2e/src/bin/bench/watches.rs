//! Many watches on one object of the spoke: how long until all stand, how soon one event has
//! reached every one of them, and what they cost the gateway.

use std::time::Duration;

use anyhow::Context as _;
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
    client::{Connection, Get},
    site::{Path, Site, Upstream, create},
    statistics::{Latencies, Series, number},
    table::{Table, figure},
    usage::memory,
};

/// With the 100 streams that an API server takes on a connection, more than 500 watches need.
const CONNECTIONS: usize = 8;
const OBJECT: &str = "watched";
const EVENTS: usize = 10;
const DELIVERED_WITHIN: Duration = Duration::from_secs(10);

/// Figures of the watches on one path.
#[derive(Debug)]
pub(crate) struct Watching {
    path: Path,
    /// Seconds until all had begun.
    pub(crate) set_up: Series,
    /// Milliseconds from sending the write to the event's arrival.
    pub(crate) p50: Series,
    p99: Series,
    /// KiB of the gateway's anonymous memory per watch.
    pub(crate) memory: Series,
}

/// All figures of the watches.
#[derive(Debug)]
pub(crate) struct Watches {
    count: usize,
    paths: Vec<Watching>,
}

impl Watches {
    pub(crate) async fn open(site: &Site, count: usize) -> anyhow::Result<Self> {
        let object = json!({"metadata": {"name": OBJECT}});
        create(&objects(site), object).await?;
        let paths = Path::ALL.map(|path| Watching {
            path,
            set_up: Series::default(),
            p50: Series::default(),
            p99: Series::default(),
            memory: Series::default(),
        });
        Ok(Self {
            count,
            paths: paths.into(),
        })
    }

    /// One round: all watches on each path, each time with a gateway that has just started.
    pub(crate) async fn round(&mut self, site: &Site) -> anyhow::Result<()> {
        for watching in &mut self.paths {
            if watching.path != Path::Direct {
                site.gateway.restart().await?;
                site.serves_everything().await?;
            }
            watching.round(site, self.count).await?;
        }
        Ok(())
    }

    pub(crate) fn path(&self, path: Path) -> Option<&Watching> {
        self.paths.iter().find(|it| it.path == path)
    }

    pub(crate) fn table(&self) -> Table {
        let title = format!("{} watches", self.count);
        let mut table = Table::new(&[
            &title,
            "set-up s",
            "delivery p50 ms",
            "delivery p99 ms",
            "gateway KiB/watch",
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
    async fn round(&mut self, site: &Site, count: usize) -> anyhow::Result<()> {
        let client = site.client(Upstream::Spoke, self.path)?;
        let connections = client.connections(CONNECTIONS).await?;
        let version = objects(site).get(OBJECT).await?.metadata.resource_version;
        let request = client.get(&format!(
            "/api/v1/namespaces/default/configmaps?watch=true\
             &fieldSelector=metadata.name%3D{OBJECT}&resourceVersion={}",
            version.context("an object without a version")?
        ))?;
        let before = memory(site.gateway.process())?;
        let started = Instant::now();
        let bodies = begin(&connections, &request, count).await?;
        self.set_up.push(started.elapsed().as_secs_f64());
        let delays = deliver(site, bodies).await?;
        self.p50.push(delays.percentile(50));
        self.p99.push(delays.percentile(99));
        if self.path != Path::Direct {
            let grown = memory(site.gateway.process())?.anonymous - before.anonymous;
            self.memory.push(grown / number(count as u64));
        }
        Ok(())
    }
}

fn objects(site: &Site) -> Api<ConfigMap> {
    Api::default_namespaced(site.spoke().client())
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

/// Writes to the object again and again; how long each event took to reach each watch.
async fn deliver(site: &Site, bodies: Vec<Incoming>) -> anyhow::Result<Latencies> {
    let (arrived, mut arrivals) = mpsc::channel(bodies.len());
    let mut watches = JoinSet::new();
    for body in bodies {
        watches.spawn(follow(body, arrived.clone()));
    }
    let (objects, mut delays) = (objects(site), Vec::new());
    for event in 0..EVENTS {
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

/// Reports when each event was complete: they are lines.
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
