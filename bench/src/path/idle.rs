//! The cost of idle tunnels at the gateway. The benchmark itself serves the agents' ends, because a
//! process per agent would fill the machine. What they attach through is real.

use std::{future::pending, sync::Arc, time::Duration};

use anyhow::Context as _;
use e2e::{Credentials, Http1, SpokeOptions, agent};
use http::StatusCode;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tunnel::{Budget, Dial, Hello, PROTOCOL, Phase, Refusal, Share, Target, serve};

use super::site::Site;
use crate::{
    statistics::{Series, number},
    table::{Table, figure},
    usage::memory,
    way::Path,
};

/// The number of connections of one cluster, as many as an agent keeps by default.
const CONNECTIONS: usize = 2;
const ATTACHED_WITHIN: Duration = Duration::from_secs(10);
/// Longer than the gateway takes to check an agent's right again.
const SETTLED: Duration = Duration::from_secs(7);

/// All figures of idle tunnels.
#[derive(Debug)]
pub(crate) struct Idle {
    clusters: usize,
    /// KiB of the gateway's anonymous memory for a registered cluster without a tunnel.
    registered: Series,
    /// KiB for one connection.
    connection: Series,
    /// KiB for a cluster with its connections.
    cluster: Series,
}

impl Idle {
    pub(crate) fn new(clusters: usize) -> Self {
        Self {
            clusters,
            registered: Series::default(),
            connection: Series::default(),
            cluster: Series::default(),
        }
    }

    /// One run of a gateway: clusters are registered, then attached.
    pub(crate) async fn round(&mut self, site: &Site) -> anyhow::Result<()> {
        site.restart(Path::Door).await?;
        let held = || Ok::<_, anyhow::Error>(memory(site.gateway.process())?.anonymous);
        let names: Vec<_> = (0..self.clusters).map(|it| format!("idle-{it}")).collect();
        let nothing = held()?;
        for name in &names {
            let cluster = SpokeOptions {
                name: Some(name.clone()),
                tunnelled: true,
                credentials: Some(Credentials::Token("idle".to_owned())),
                ..SpokeOptions::default()
            };
            site.gateway.register_spoke(site.spoke(), cluster).await?;
        }
        let registered = held()?;
        let mut tunnels = JoinSet::new();
        for name in &names {
            attach(site, name, &mut tunnels).await?;
        }
        sleep(SETTLED).await;
        let attached = held()?;
        anyhow::ensure!(
            tunnels.try_join_next().is_none(),
            "an idle tunnel has ended"
        );
        let clusters = number(self.clusters as u64);
        let connections = clusters * number(CONNECTIONS as u64);
        self.registered.push((registered - nothing) / clusters);
        self.connection.push((attached - registered) / connections);
        self.cluster.push((attached - nothing) / clusters);
        drop(tunnels);
        for name in &names {
            site.gateway.unregister_spoke(name).await?;
        }
        Ok(())
    }

    /// KiB for one connection.
    pub(crate) fn connection(&self) -> f64 {
        self.connection.median()
    }

    /// KiB for a cluster in all.
    pub(crate) fn cluster(&self) -> f64 {
        self.cluster.median()
    }

    pub(crate) fn table(&self) -> Table {
        let title = format!(
            "{} idle clusters with {CONNECTIONS} connections each",
            self.clusters
        );
        let mut table = Table::new(&[&title, "gateway KiB, anonymous"]);
        for (what, series) in [
            ("a registered cluster without a tunnel", &self.registered),
            ("a connection", &self.connection),
            ("a cluster in all", &self.cluster),
        ] {
            table.row([what.to_owned(), figure(series.median(), 1)]);
        }
        table
    }
}

/// Attaches the connections of one cluster through the hub's API server, and serves on them.
async fn attach(site: &Site, cluster: &str, tunnels: &mut JoinSet<()>) -> anyhow::Result<()> {
    let hub = site.hub();
    let credentials = agent::credentials(hub, cluster, "bench")?;
    let path = format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{cluster}/attach");
    let upgrade = [("connection", "Upgrade"), ("upgrade", PROTOCOL)];
    for _ in 0..CONNECTIONS {
        let client = Http1::new(hub.url(), &hub.ca_pem(), &credentials)?;
        let answer = client.get(&path, &upgrade).await?;
        let status = answer.status();
        anyhow::ensure!(
            status == StatusCode::SWITCHING_PROTOCOLS,
            "{cluster} may not attach: {status}"
        );
        let io = TokioIo::new(hyper::upgrade::on(answer).await?);
        let (phase, mut attached) = watch::channel(Phase::Greeting);
        tunnels.spawn(async move {
            let (hello, budget) = (Hello::default(), Budget::new(0));
            // The round reports it if a connection ends, because none should.
            let _ = serve(io, &hello, Arc::new(Nowhere), &budget, phase, pending()).await;
        });
        let attached = attached.wait_for(|phase| *phase != Phase::Greeting);
        timeout(ATTACHED_WITHIN, attached)
            .await
            .with_context(|| format!("{cluster} is not attached"))??;
    }
    Ok(())
}

/// Serves no target.
struct Nowhere;

impl Dial for Nowhere {
    type Io = TcpStream;

    async fn dial(&self, _target: &Target, _: Share) -> Result<TcpStream, Refusal> {
        Err(Refusal::Forbidden)
    }
}
