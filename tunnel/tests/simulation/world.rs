//! A cluster with a few connections and pipes, their budgets, and the possible next events.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tunnel::{Budget, OpenError, STREAM_COST, Sessions};

use crate::{
    link::{Link, Targets},
    pipe::Pipe,
    random::Random,
    wire::Silence,
};

const MOST_PIPES: usize = 6;

/// How long a pipe may take if so many connections are silent, and others are not.
fn most_time(silent: usize) -> Duration {
    match silent {
        0 => Duration::ZERO,
        1 => Duration::from_secs(2),
        2 => Duration::from_secs(4),
        // Three attempts at once, until one meets its deadline.
        _ => Duration::from_secs(16),
    }
}

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
    /// How many pipes somebody wanted.
    wanted: usize,
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
            wanted: 0,
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
        self.look();
        match self.random.below(60) {
            0..=7 => self.open().await,
            8 | 9 if self.links.len() < 4 => self.attach().await,
            10 => self.drain(),
            11 => self.kill(),
            12 => sleep(Duration::from_secs(25)).await,
            13 => self.fall_silent(),
            14 => self.speak_again(),
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
        self.wanted += 1;
        let name = format!("pipe-{}", self.wanted);
        let full = self.held() == MOST_PIPES;
        let streams = |link: &Link| link.session.streams();
        let before: Vec<_> = self.links.iter().map(streams).collect();
        let target = format!("{name}:1").parse().unwrap();
        let begin = Instant::now();
        let opened = self.sessions.open(&target).await;
        let took = begin.elapsed();
        let silent = self.links.iter().filter(|it| it.is_silent()).count();
        let healthy = self.links.iter().any(Link::is_healthy);
        eprintln!("open {name}: {} took {took:?} links {:?}", match &opened { Ok(_) => "ok".to_owned(), Err(e) => e.to_string() }, self.links.iter().map(|l| l.debug()).collect::<Vec<_>>());
        match opened {
            Ok(near) => {
                assert!(!full, "beyond the budget");
                assert!(took <= most_time(silent), "took {took:?}, {silent} silent");
                let mut links = self.links.iter().zip(before);
                let link = links.position(|(link, before)| streams(link) > before);
                let far = self.targets.dialled.lock().remove(&name);
                let pipe = Pipe::new(self.opened, link.unwrap(), near, far.unwrap());
                self.pipes.push(pipe);
                self.opened += 1;
            }
            Err(OpenError::Budget) => assert!(full, "refused below the budget"),
            Err(OpenError::Deadline) => assert!(silent > 0 && !healthy && !full),
            Err(OpenError::Closing | OpenError::Broken(_)) => assert!(!healthy),
            Err(error) => panic!("{error}"),
        }
    }

    /// Takes in what silence has done.
    fn look(&mut self) {
        self.links.iter_mut().for_each(Link::look);
        for pipe in &mut self.pipes {
            let link = &self.links[pipe.link];
            pipe.broken = link.killed || link.may_be_dead();
        }
    }

    fn fall_silent(&mut self) {
        let chosen = self.random.below(self.links.len());
        let (to_agent, to_gateway) =
            [(true, true), (true, false), (false, true)][self.random.below(3)];
        self.links[chosen].set_silence(Silence {
            to_agent,
            to_gateway,
        });
    }

    fn speak_again(&mut self) {
        let chosen = self.random.below(self.links.len());
        self.links[chosen].set_silence(Silence::default());
    }

    fn drain(&mut self) {
        let chosen = self.random.below(self.links.len());
        let gateway = self.random.below(2) == 0;
        self.links[chosen].drain(gateway);
    }

    fn kill(&mut self) {
        let chosen = self.random.below(self.links.len());
        self.links[chosen].kill();
        self.look();
    }

    fn held(&self) -> usize {
        self.pipes.iter().filter(|pipe| pipe.is_held()).count()
    }

    pub(crate) fn check_budgets(&self) {
        assert_eq!(self.gateway.used(), self.held() * STREAM_COST);
    }

    /// Finishes everything that is open, and returns how many pipes there were.
    pub(crate) async fn finish(mut self) -> usize {
        self.look();
        for link in &mut self.links {
            link.set_silence(Silence::default());
        }
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
