//! The lists of a noisy user: so many at a time, each sent again when it is answered or refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::{Client, Connection, Get, Sender},
    plain,
    statistics::number,
};

/// The largest number of lists on one connection, which is less than a gateway allows.
const ON_A_CONNECTION: usize = 200;
/// The pause of a stream whose list was refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Who is noisy, and how.
#[derive(Debug)]
pub(super) struct Noise {
    client: Client,
    list: Get,
    streams: usize,
}

/// The noise while it lasts. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    counted: Arc<Counted>,
    streams: JoinSet<anyhow::Result<()>>,
    _connections: Vec<Connection>,
}

#[derive(Debug, Default)]
struct Counted {
    answered: AtomicU64,
    refused: AtomicU64,
}

/// How many lists have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) answered: f64,
    pub(super) refused: f64,
}

impl Noise {
    /// So many lists at a time, each of which takes so many milliseconds.
    pub(super) fn new(client: Client, streams: usize, list_ms: u32) -> anyhow::Result<Self> {
        Ok(Self {
            list: client.get(&format!("{}{list_ms}", plain::LIMITED))?,
            client,
            streams,
        })
    }

    pub(super) async fn begin(&self) -> anyhow::Result<Running> {
        let count = self.streams.div_ceil(ON_A_CONNECTION);
        let connections = self.client.connections(count).await?;
        let (counted, mut streams) = (Arc::<Counted>::default(), JoinSet::new());
        for (_, connection) in (0..self.streams).zip(connections.iter().cycle()) {
            streams.spawn(stream(
                connection.sender(),
                self.list.clone(),
                Arc::clone(&counted),
            ));
        }
        Ok(Running {
            counted,
            streams,
            _connections: connections,
        })
    }
}

impl Running {
    pub(super) fn heard(&self) -> Heard {
        let count = |counter: &AtomicU64| number(counter.load(Ordering::Relaxed));
        Heard {
            answered: count(&self.counted.answered),
            refused: count(&self.counted.refused),
        }
    }

    /// Ends it, and fails if a part of it had ended before.
    pub(super) async fn end(mut self) -> anyhow::Result<Heard> {
        if let Some(ended) = self.streams.try_join_next() {
            ended??;
        }
        let heard = self.heard();
        self.streams.shutdown().await;
        Ok(heard)
    }
}

async fn stream(mut sender: Sender, list: Get, counted: Arc<Counted>) -> anyhow::Result<()> {
    loop {
        match sender.status(&list).await? {
            (StatusCode::OK, true) => {
                counted.answered.fetch_add(1, Ordering::Relaxed);
            }
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => {
                counted.refused.fetch_add(1, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
            (status, is_whole) => anyhow::bail!("a list was answered {status}, whole: {is_whole}"),
        }
    }
}
