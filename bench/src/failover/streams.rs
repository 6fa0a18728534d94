//! Watches, plain ones and over WebSocket. Each is resumed where it ended, as an informer does.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, sleep, timeout},
};

use super::{
    calls::DEADLINE,
    failure::words,
    journal::{Happened, Journal, Kind, Stream},
    scan::{Said, Scan},
    site::{Caller, WATCHED},
};
use crate::client::{Client, Connection};

/// How often the object changes.
pub(super) const EVERY: Duration = Duration::from_millis(500);
/// The pause between the end of a watch and its next start.
const PAUSE: Duration = Duration::from_millis(200);

/// One watch that is resumed until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) caller: Caller,
    pub(super) kind: Kind,
    pub(super) number: usize,
    pub(super) journal: Journal,
    /// The latest number and version of the object that arrived.
    pub(super) last: Option<(u64, String)>,
}

/// The connection or stream that a watch comes through.
enum Pipe {
    Watch {
        body: Incoming,
        _connection: Connection,
    },
    Upgrade(TokioIo<hyper::upgrade::Upgraded>),
}

/// Changes the watched object until it is dropped.
pub(super) async fn write(maps: Api<ConfigMap>) -> anyhow::Result<()> {
    for number in 1_u64.. {
        let patch = Patch::Merge(json!({"data": {"event": number.to_string()}}));
        maps.patch(WATCHED, &PatchParams::default(), &patch).await?;
        sleep(EVERY).await;
    }
    Ok(())
}

impl Watch {
    pub(super) async fn keep(mut self) {
        loop {
            match self.begin().await {
                Ok(pipe) => {
                    let words = self.follow(pipe).await;
                    self.tell(Happened::Cut(words));
                }
                Err(error) => self.tell(Happened::NotBegun(words(error.root_cause()))),
            }
            sleep(PAUSE).await;
        }
    }

    async fn begin(&self) -> anyhow::Result<Pipe> {
        let client = self.caller.client_of(self.number);
        let path = self.path();
        timeout(DEADLINE, open(self.kind, &client, &path)).await?
    }

    fn path(&self) -> String {
        let path = format!(
            "/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3D{WATCHED}"
        );
        match &self.last {
            Some((_, version)) => format!("{path}&resourceVersion={version}"),
            None => path,
        }
    }

    /// Reads the watch to its end. Returns the message for how it ended.
    async fn follow(&mut self, mut pipe: Pipe) -> String {
        let mut scan = Scan::default();
        loop {
            let bytes = match pipe.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return "ended".to_owned(),
                Err(error) => return words(error.root_cause()),
            };
            for said in scan.take(&bytes) {
                match said {
                    Said::Event { number, version } => self.arrived(number, version),
                    Said::Error => {
                        self.last = None;
                        return "its version is too old".to_owned();
                    }
                }
            }
        }
    }

    fn arrived(&mut self, number: u64, version: String) {
        let before = self.last.replace((number, version));
        let lost = before.map_or(0, |(before, _)| number.saturating_sub(before + 1));
        self.tell(Happened::Event { lost });
    }

    fn tell(&self, what: Happened) {
        self.journal.stream(Stream {
            entrance: self.caller.entrance,
            kind: self.kind,
            number: self.number,
            at: Instant::now(),
            what,
        });
    }
}

impl Pipe {
    async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        match self {
            Self::Watch { body, .. } => {
                let frame = body.frame().await.transpose()?;
                Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
            }
            Self::Upgrade(io) => {
                let mut buffer = [0; 4096];
                let length = io.read(&mut buffer).await?;
                Ok((length > 0).then(|| Bytes::copy_from_slice(&buffer[..length])))
            }
        }
    }
}

async fn open(kind: Kind, client: &Client, path: &str) -> anyhow::Result<Pipe> {
    match kind {
        Kind::Watch => {
            let connection = client.connect().await?;
            let answer = connection.sender().send(&client.get(path)?).await?;
            Ok(Pipe::Watch {
                body: answer.into_body(),
                _connection: connection,
            })
        }
        Kind::Upgrade => {
            let upgraded = client.websocket(path).await?;
            Ok(Pipe::Upgrade(TokioIo::new(upgraded)))
        }
    }
}
