//! The gateway's end of the hello's body.

use std::{
    future::{pending, poll_fn},
    task::Poll,
};

use bytes::Bytes;
use h2::SendStream;
use tokio::{select, sync::watch};

use super::{REPLICAS, replicas};
use crate::{Agreement, Hello};

/// Tells the agent how many replicas there are, and hears when the agent drains.
#[derive(Debug)]
pub(crate) struct Speaker {
    body: SendStream<Bytes>,
    /// The number of replicas that the agent was told last.
    told: u16,
    replicas: Option<watch::Receiver<u16>>,
}

impl Speaker {
    /// Starts with the open body of this hello.
    pub(crate) fn new(body: SendStream<Bytes>, hello: &Hello) -> Self {
        Self {
            body,
            told: hello.replica.as_ref().map_or(0, |replica| replica.of),
            replicas: None,
        }
    }

    /// Tells these numbers from now on, if the agent understands that.
    pub(crate) fn follow(&mut self, replicas: watch::Receiver<u16>, agreement: &Agreement) {
        let is_heard = agreement.capabilities.contains(REPLICAS);
        self.replicas = is_heard.then_some(replicas);
    }

    /// Tells each change, until the agent resets the hello because it drains.
    pub(crate) async fn speak(&mut self) {
        loop {
            let line = select! {
                _ = poll_fn(|context| self.body.poll_reset(context)) => return,
                line = next_line(&mut self.told, self.replicas.as_mut()) => line,
            };
            if !self.has_room(line.len()).await || self.body.send_data(line, false).is_err() {
                return;
            }
        }
    }

    /// Waits until the agent takes that many bytes. Returns false if it never will.
    async fn has_room(&mut self, length: usize) -> bool {
        self.body.reserve_capacity(length);
        while self.body.capacity() < length {
            let room = poll_fn(|context| match self.body.poll_reset(context) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => self.body.poll_capacity(context),
            });
            let Some(Ok(_)) = room.await else {
                return false;
            };
        }
        true
    }

    /// Ends the body, which tells the agent to connect elsewhere.
    pub(crate) fn end(mut self) {
        // The agent may have closed already.
        let _ = self.body.send_data(Bytes::new(), true);
    }
}

/// Waits until the number differs from the last one that was told.
async fn next_line(told: &mut u16, numbers: Option<&mut watch::Receiver<u16>>) -> Bytes {
    let Some(numbers) = numbers else {
        return pending().await;
    };
    let changed = numbers.wait_for(|number| number != told).await;
    let Ok(number) = changed.map(|number| *number) else {
        return pending().await;
    };
    *told = number;
    replicas(number)
}
