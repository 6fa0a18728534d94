//! One pipe in the model: both directions, which ends are still open, and which faults are
//! expected.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt as _, DuplexStream},
    time::Instant,
};
use tunnel::Stream;

use crate::{
    flow::Flow,
    link::{FarEnd, Link},
    random::Random,
};

/// A target that takes nothing of a finished pipe is given up after 30 s. A step may take a part of
/// the last one.
const NOBODY_IS_CUT_WITHIN: Duration = Duration::from_secs(29);

#[derive(Debug)]
pub(crate) struct Pipe {
    near: Option<Stream>,
    from: Option<DuplexStream>,
    to: Option<DuplexStream>,
    up: Flow,
    down: Flow,
    /// The connection of the pipe.
    pub(crate) link: usize,
    /// Whether that connection is gone.
    pub(crate) broken: bool,
    /// When the target took something, or one of the ends finished.
    moved: Instant,
    /// Whether the target may have been given up.
    may_be_cut: bool,
}

impl Pipe {
    pub(crate) fn new(number: usize, link: usize, near: Stream, (from, to): FarEnd) -> Self {
        Self {
            near: Some(near),
            from: Some(from),
            to: Some(to),
            up: Flow::new(2 * number),
            down: Flow::new(2 * number + 1),
            link,
            broken: false,
            moved: Instant::now(),
            may_be_cut: false,
        }
    }

    /// True while the gateway has the pipe.
    pub(crate) fn is_held(&self) -> bool {
        self.near.is_some()
    }

    /// Takes in what time and its connection have done.
    pub(crate) fn look(&mut self, link: &Link) {
        let finished = self.up.finished && self.down.finished;
        // Nothing of it is left to do for the agent, which may leave with what is on the way.
        let done = finished || (self.down.finished && self.from.is_none());
        self.broken = link.killed || link.may_be_dead() || (link.may_be_left && done);
        self.may_be_cut |= finished && self.moved.elapsed() >= NOBODY_IS_CUT_WITHIN;
    }

    pub(crate) async fn step(&mut self, random: &mut Random, most: usize) {
        match random.below(16) {
            0..=2 => self.write_near(random.size(most)).await,
            3..=5 => self.write_far(random.size(most)).await,
            6..=8 => self.read_near(random.size(most)).await,
            9..=11 => self.read_far(random.size(most)).await,
            12 => self.finish_near().await,
            13 => self.finish_far().await,
            14 => self.near = None,
            // The target stops reading, or closes completely.
            _ => {
                self.from = None;
                if random.below(2) == 0 {
                    self.to = None;
                    self.finish_down();
                }
            }
        }
    }

    async fn write_near(&mut self, length: usize) {
        if self.up.finished {
            return;
        }
        let Some(near) = &mut self.near else { return };
        if let Err(error) = self.up.write(near, length).await {
            assert!(self.broken || self.from.is_none(), "near write: {error}");
        }
    }

    async fn write_far(&mut self, length: usize) {
        if self.down.finished {
            return;
        }
        let Some(to) = &mut self.to else { return };
        if let Err(error) = self.down.write(to, length).await {
            assert!(self.broken || self.near.is_none(), "far write: {error}");
        }
    }

    async fn read_near(&mut self, length: usize) {
        let Some(near) = &mut self.near else { return };
        match self.down.read(near, length).await {
            Ok(end) => assert!(!end || self.down.is_complete(), "an early end"),
            Err(error) => assert!(self.broken, "near read: {error}"),
        }
    }

    async fn read_far(&mut self, length: usize) {
        let Some(from) = &mut self.from else { return };
        let before = self.up.received;
        let end = self.up.read(from, length).await.unwrap();
        if self.up.received > before {
            self.moved = Instant::now();
        }
        let cut = self.broken || self.may_be_cut || self.near.is_none();
        assert!(!end || cut || self.up.is_complete(), "an early end");
    }

    async fn finish_near(&mut self) {
        let Some(near) = &mut self.near else { return };
        if let Err(error) = near.shutdown().await {
            assert!(self.broken || self.from.is_none(), "near shutdown: {error}");
        }
        if !self.up.finished {
            self.up.finished = true;
            self.moved = Instant::now();
        }
    }

    async fn finish_far(&mut self) {
        let Some(to) = &mut self.to else { return };
        to.shutdown().await.unwrap();
        self.finish_down();
    }

    fn finish_down(&mut self) {
        if !self.down.finished {
            self.down.finished = true;
            self.moved = Instant::now();
        }
    }

    /// Ends both directions, and reads everything that was sent.
    pub(crate) async fn finish(mut self) {
        self.finish_near().await;
        self.finish_far().await;
        let cut = self.broken || self.may_be_cut || self.near.is_none();
        let near = async {
            let Some(mut near) = self.near else { return };
            match self.down.read_out(&mut near).await {
                Ok(()) => assert!(self.down.is_complete(), "near is short: {:?}", self.down),
                Err(error) => assert!(self.broken, "near: {error}"),
            }
        };
        let far = async {
            let Some(mut from) = self.from else { return };
            self.up.read_out(&mut from).await.unwrap();
            assert!(cut || self.up.is_complete(), "far is short: {:?}", self.up);
        };
        tokio::join!(near, far);
    }
}
