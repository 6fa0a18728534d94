//! 10,000 random schedules of open, write, read, half-close, reset, drain, restart and silence on
//! several pipes and connections, in virtual time, against a model that knows every byte.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]
#![expect(clippy::disallowed_methods, reason = "a test's runtime ends its tasks")]

#[path = "simulation/flow.rs"]
mod flow;
#[path = "simulation/link.rs"]
mod link;
#[path = "simulation/pipe.rs"]
mod pipe;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/wire.rs"]
mod wire;
#[path = "simulation/world.rs"]
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use crate::{random::Random, world::World};

const SCHEDULES: u64 = 10_000;
const THREADS: u64 = 2;
const STEPS: u64 = 20;

/// How many pipes were opened, and how many of them had to wait beside a connection that answers.
type Pipes = (usize, usize);

#[test]
fn ten_thousand_random_schedules_keep_every_byte_and_every_budget() {
    let (opened, late) = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope
                    .spawn(move || run((0..SCHEDULES).filter(move |seed| seed % THREADS == thread)))
            })
            .collect();
        sum(threads.into_iter().map(|it| it.join().unwrap()))
    });
    assert!(opened > 20_000, "the schedules opened {opened} pipes");
    assert!(late > 1_000, "{late} pipes were late");
}

fn run(seeds: impl Iterator<Item = u64>) -> Pipes {
    sum(seeds.map(|seed| {
        let schedule = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build();
            runtime.unwrap().block_on(schedule(seed))
        };
        let pipes = catch_unwind(AssertUnwindSafe(schedule));
        pipes.unwrap_or_else(|_| panic!("schedule {seed} failed"))
    }))
}

fn sum(pipes: impl Iterator<Item = Pipes>) -> Pipes {
    pipes.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
}

async fn schedule(seed: u64) -> Pipes {
    let mut world = World::new(Random::new(seed)).await;
    for _ in 0..STEPS {
        world.step().await;
        world.check_budgets();
    }
    world.finish().await
}
