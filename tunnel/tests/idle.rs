//! Measures the memory of an idle connection. It is a program of its own, so that no other test
//! uses its memory.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]
#![expect(clippy::disallowed_methods, reason = "a test's runtime ends its tasks")]

use std::{future::pending, sync::Arc};

use tokio::{io::DuplexStream, task::spawn};
use tunnel::{Budget, Dial, Hello, Phase, Refusal, Session, Share, Target, serve};

struct Nothing;

impl Dial for Nothing {
    type Io = DuplexStream;

    async fn dial(&self, _: &Target, _: Share) -> Result<DuplexStream, Refusal> {
        Err(Refusal::Forbidden)
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn an_idle_connection_holds_little_more_than_http2s_own_buffers() {
    const PAIRS: usize = 1000;
    let budget = Budget::new(1 << 30);
    let mut sessions = Vec::new();
    let mut before = 0;
    // The first few connections warm up allocators and thread locals.
    for number in 0..PAIRS + 50 {
        if number == 50 {
            before = resident();
        }
        let (near, far) = tokio::io::duplex(1024);
        let own = budget.clone();
        spawn(async move {
            let phase = tokio::sync::watch::channel(Phase::Greeting).0;
            let hello = Hello::default();
            serve(far, &hello, Arc::new(Nothing), &own, phase, pending()).await
        });
        let attached = Session::attach(near, &Hello::default(), budget.clone()).await;
        let (session, driver) = attached.unwrap();
        spawn(driver.run(pending()));
        sessions.push(session);
    }
    // HTTP/2 allocates for each end 16 KiB to write, 8 KiB to read and 4 KiB for header tables.
    // About half of this is ever touched.
    let each = (resident() - before) / PAIRS;
    assert!(each <= 52 << 10, "{each} bytes for both ends");
}
