//! A cluster with a few connections and pipes, their budgets, and the possible next events.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::time::{sleep, timeout};
use tunnel::{Budget, OpenError, STREAM_COST, Sessions};

use crate::{
    link::{Link, Targets},
    pipe::Pipe,
    random::Random,
};

const MOST_PIPES: usize = 6;

/// How much the connections buffer, and how much one operation moves at most.
#[derive(Clone, Copy)]
struct Scale {
    wire: usize,
    target: usize,
    operation: usize,
}

impl Scale {
    /// Frames in pieces, the usual case, or one that fills windows. The last one takes longest and
    /// is the rarest.
    fn draw(random: &mut Random) -> Self {
        let (wire, target, operation) = match random.below(64) {
            0..=15 => (100, 64, 1_000),
            16..=62 => (4096, 1024, 30_000),
            _ => (64 << 10, 64 << 10, 900_000),
        };
        Self {
            wire,
            target,
            operation,
        }
    }
}

pub(crate) struct World {
    random: Random,
    scale: Scale,
    links: Vec<Link>,
    pipes: Vec<Pipe>,
    sessions: Sessions,
    targets: Arc<Targets>,
    gateway: Budget,
    agent: Budget,
    opened: usize,
}

impl World {
    pub(crate) async fn new(mut random: Random) -> Self {
        let scale = Scale::draw(&mut random);
        let targets = Targets {
            buffer: scale.target,
            ..Targets::default()
        };
        let mut world = Self {
            random,
            scale,
            links: Vec::new(),
            pipes: Vec::new(),
            sessions: Sessions::default(),
            targets: Arc::new(targets),
            gateway: Budget::new(MOST_PIPES * STREAM_COST),
            agent: Budget::new(1 << 30),
            opened: 0,
        };
        world.attach().await;
        world
    }

    async fn attach(&mut self) {
        let (gateway, agent) = (self.gateway.clone(), self.agent.clone());
        let link = Link::attach(self.scale.wire, Arc::clone(&self.targets), gateway, agent).await;
        self.sessions.add(link.session.clone());
        self.links.push(link);
    }

    pub(crate) async fn step(&mut self) {
        match self.random.below(60) {
            0..=7 => self.open().await,
            8 | 9 if self.links.len() < 4 => self.attach().await,
            10 => self.drain(),
            11 => self.kill(),
            12 => sleep(Duration::from_secs(25)).await,
            _ if self.pipes.is_empty() => self.open().await,
            _ => {
                let chosen = self.random.below(self.pipes.len());
                self.pipes[chosen]
                    .step(&mut self.random, self.scale.operation)
                    .await;
            }
        }
    }

    async fn open(&mut self) {
        let number = self.opened;
        let full = self.held() == MOST_PIPES;
        let before: Vec<_> = self
            .links
            .iter()
            .map(|link| link.session.streams())
            .collect();
        let target = format!("pipe-{number}:1").parse().unwrap();
        let opened = self.sessions.open(&target).await;
        let healthy = self.links.iter().any(|it| !it.draining && !it.killed);
        match opened {
            Ok(near) => {
                assert!(!full, "beyond the budget");
                let mut links = self.links.iter().zip(before);
                let link = links.position(|(link, before)| link.session.streams() > before);
                let far = self
                    .targets
                    .dialled
                    .lock()
                    .remove(&format!("pipe-{number}"));
                let pipe = Pipe::new(number, link.unwrap(), near, far.unwrap());
                self.pipes.push(pipe);
                self.opened += 1;
            }
            Err(OpenError::Budget) => assert!(full, "refused below the budget"),
            Err(OpenError::Closing | OpenError::Broken(_)) => assert!(!healthy),
            Err(error) => panic!("{error}"),
        }
    }

    fn drain(&mut self) {
        let chosen = self.random.below(self.links.len());
        let gateway = self.random.below(2) == 0;
        self.links[chosen].drain(gateway);
    }

    fn kill(&mut self) {
        let chosen = self.random.below(self.links.len());
        self.links[chosen].kill();
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.link == chosen) {
            pipe.broken = true;
        }
    }

    fn held(&self) -> usize {
        self.pipes.iter().filter(|pipe| pipe.is_held()).count()
    }

    pub(crate) fn check_budgets(&self) {
        assert_eq!(self.gateway.used(), self.held() * STREAM_COST);
    }

    /// Finishes everything that is open, and returns how many pipes there were.
    pub(crate) async fn finish(self) -> usize {
        let pipes = join_all(self.pipes.into_iter().map(Pipe::finish));
        let done = timeout(Duration::from_secs(10), pipes).await;
        done.expect("no pipe waits for another");
        let links = join_all(self.links.into_iter().map(Link::finish));
        let ended = timeout(Duration::from_secs(30), links).await;
        ended.expect("connections end with their last pipe");
        assert_eq!((self.gateway.used(), self.agent.used()), (0, 0));
        self.opened
    }
}
