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

/// An agent that has not answered by then is late, and another connection is asked as well.
const LATE: Duration = Duration::from_millis(1_501);
/// What a connection may take to answer at all.
const OPEN_DEADLINE: Duration = Duration::from_millis(15_001);
/// So many connections are asked at once.
const AT_ONCE: u32 = 3;

/// How long a pipe may take if it is asked for on so many silent connections before one that
/// answers.
fn most_time(silent: u32) -> Duration {
    // The first of those that are asked at once makes room at its deadline.
    if silent < AT_ONCE {
        silent * LATE
    } else {
        OPEN_DEADLINE + (silent - AT_ONCE) * LATE
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
    /// How many pipes had to wait beside a connection that answers.
    late: usize,
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
            late: 0,
        };
        for _ in 0..=world.random.below(4) {
            world.attach().await;
        }
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
            12 | 13 => self.pass_time().await,
            14 | 15 => self.fall_silent(),
            16 => self.speak().await,
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
        let target = format!("{name}:1").parse().unwrap();
        let full = self.held() == MOST_PIPES;
        let before: Vec<_> = self.links.iter().map(Link::streams).collect();
        let unnoticed: Vec<_> = self.links.iter().map(Link::is_unnoticed).collect();
        let begin = Instant::now();
        let opened = self.sessions.open(&target).await;
        let took = begin.elapsed();
        let healthy = self.links.iter().any(Link::is_healthy);
        match opened {
            Ok(near) => {
                assert!(!full, "beyond the budget");
                let mut links = self.links.iter().zip(before);
                let link = links.position(|(link, before)| link.streams() > before);
                self.judge_time(took, unnoticed);
                let far = self.targets.dialled.lock().remove(&name);
                let pipe = Pipe::new(self.opened, link.unwrap(), near, far.unwrap());
                self.pipes.push(pipe);
                self.opened += 1;
            }
            Err(OpenError::Budget) => assert!(full, "refused below the budget"),
            Err(OpenError::Deadline) => {
                assert!(!healthy && !full, "{took:?}");
                assert!(self.links.iter().any(Link::is_silent), "{took:?}");
            }
            Err(OpenError::Closing | OpenError::Broken(_)) => assert!(!healthy),
            Err(error) => panic!("{error}"),
        }
    }

    /// Beside a connection that answers, only silence that nobody has noticed takes time.
    fn judge_time(&mut self, took: Duration, unnoticed: Vec<bool>) {
        if !self.links.iter().any(Link::is_healthy) {
            return;
        }
        let count = u32::try_from(unnoticed.iter().filter(|it| **it).count()).unwrap();
        assert!(took <= most_time(count), "{took:?} beside {count}");
        self.late += usize::from(took > Duration::ZERO);
        if count < AT_ONCE && took + LATE > most_time(count) {
            // All of them were asked.
            let links = self.links.iter_mut().zip(unnoticed);
            let late = links.filter_map(|(link, unnoticed)| unnoticed.then_some(link));
            late.for_each(Link::was_late);
        }
    }

    /// Takes in what silence has done.
    fn look(&mut self) {
        self.links.iter_mut().for_each(Link::look);
        for pipe in &mut self.pipes {
            pipe.look(&self.links[pipe.link]);
        }
    }

    /// One connection falls silent, or all but one, because they have a path in common.
    fn fall_silent(&mut self) {
        let chosen = self.random.below(self.links.len());
        let is_alone = self.random.below(4) > 0;
        let (to_agent, to_gateway) =
            [(true, true), (true, false), (false, true)][self.random.below(3)];
        for (index, link) in self.links.iter_mut().enumerate() {
            if (index == chosen) == is_alone {
                link.fall_silent(Silence {
                    to_agent,
                    to_gateway,
                });
            }
        }
    }

    async fn speak(&mut self) {
        let chosen = self.random.below(self.links.len());
        self.links[chosen].speak().await;
    }

    async fn pass_time(&mut self) {
        let seconds = [1, 5, 25][self.random.below(3)];
        sleep(Duration::from_secs(seconds)).await;
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

    /// Finishes everything that is open, and returns how many pipes there were, and how many had to
    /// wait beside a connection that answers.
    pub(crate) async fn finish(mut self) -> (usize, usize) {
        join_all(self.links.iter_mut().map(Link::speak)).await;
        self.look();
        let pipes = join_all(self.pipes.into_iter().map(Pipe::finish));
        let done = timeout(Duration::from_secs(10), pipes).await;
        done.expect("no pipe waits for another");
        let links = join_all(self.links.into_iter().map(Link::finish));
        let ended = timeout(Duration::from_secs(30), links).await;
        ended.expect("connections end with their last pipe");
        assert_eq!((self.gateway.used(), self.agent.used()), (0, 0));
        (self.opened, self.late)
    }
}
