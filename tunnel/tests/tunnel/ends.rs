//! A gateway and an agent joined by an in-memory connection, and targets to dial.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, Join, copy, duplex, join},
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
};
use tunnel::{
    Budget, Dial, Driver, End, Hello, Phase, Refusal, ServeError, Session, Share, Target, serve,
};

/// The capacity of the in-memory connection.
const WIRE: usize = 64 << 10;
pub(crate) const GOODBYE: &[u8] = b"; goodbye";

/// Both ends, attached.
pub(crate) struct Ends {
    pub(crate) session: Session,
    pub(crate) budget: Budget,
    pub(crate) dialer: Arc<Targets>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) gateway: JoinHandle<End>,
    pub(crate) agent: JoinHandle<Result<(), ServeError>>,
    pub(crate) drain_gateway: oneshot::Sender<()>,
    pub(crate) drain_agent: oneshot::Sender<()>,
}

impl Ends {
    pub(crate) async fn attached() -> Self {
        Self::with_budget(Budget::new(1 << 30)).await
    }

    pub(crate) async fn with_budget(budget: Budget) -> Self {
        let (near, far) = duplex(WIRE);
        Self::over(near, far, budget).await
    }

    pub(crate) async fn over(near: DuplexStream, far: DuplexStream, budget: Budget) -> Self {
        Self::with_budgets(near, far, budget, Budget::new(1 << 30)).await
    }

    pub(crate) async fn with_budgets(
        near: DuplexStream,
        far: DuplexStream,
        budget: Budget,
        agent_budget: Budget,
    ) -> Self {
        let dialer = Arc::<Targets>::default();
        let (phase_sender, phase) = watch::channel(Phase::Greeting);
        let (drain_agent, agent_drains) = oneshot::channel::<()>();
        let targets = Arc::clone(&dialer);
        let agent = tokio::task::spawn(async move {
            serve(
                far,
                &Hello::default(),
                targets,
                &agent_budget,
                phase_sender,
                told(agent_drains),
            )
            .await
        });
        let attached = Session::attach(near, &Hello::default(), budget.clone()).await;
        let (session, driver): (_, Driver<_>) = attached.unwrap();
        let (drain_gateway, gateway_drains) = oneshot::channel::<()>();
        let gateway = tokio::task::spawn(driver.run(told(gateway_drains)));
        Self {
            session,
            budget,
            dialer,
            phase,
            gateway,
            agent,
            drain_gateway,
            drain_agent,
        }
    }
}

/// Resolves when a value is sent, but not when the sender is dropped.
async fn told(told: oneshot::Receiver<()>) {
    if told.await.is_err() {
        pending::<()>().await;
    }
}

pub(crate) fn target(name: &str) -> Target {
    format!("{name}:1").parse().unwrap()
}

/// Test targets with a behaviour for each host name.
#[derive(Default)]
pub(crate) struct Targets {
    /// How many targets are open now.
    pub(crate) open: Arc<AtomicUsize>,
    /// How many bytes targets have read to the end.
    pub(crate) taken: Arc<AtomicUsize>,
    /// Whether dials hang.
    pub(crate) stuck: AtomicBool,
    serving: parking_lot::Mutex<JoinSet<()>>,
}

impl Dial for Targets {
    /// Reading and writing are separate because each may fail alone.
    type Io = Join<DuplexStream, DuplexStream>;

    async fn dial(&self, target: &Target, _: Share) -> Result<Self::Io, Refusal> {
        match target.host() {
            "forbidden" => return Err(Refusal::Forbidden),
            "down" => return Err(Refusal::Refused),
            "black-hole" => pending().await,
            _ if self.stuck.load(Ordering::SeqCst) => pending().await,
            _ => {}
        }
        let ((read, to), (write, from)) = (duplex(16 << 10), duplex(16 << 10));
        let name = target.host().to_owned();
        let (open, taken) = (Open::count(&self.open), Arc::clone(&self.taken));
        self.serving.lock().spawn(async move {
            let _open = open;
            // The other end may close at any time.
            let _ = behave(&name, from, to, &taken).await;
        });
        Ok(join(read, write))
    }
}

async fn behave(
    name: &str,
    mut from: DuplexStream,
    mut to: DuplexStream,
    taken: &AtomicUsize,
) -> std::io::Result<()> {
    match name {
        "echo" => {
            copy(&mut from, &mut to).await?;
            to.write_all(GOODBYE).await?;
        }
        "flood" => {
            copy(&mut tokio::io::repeat(7), &mut to).await?;
        }
        // Reads nothing, but stays open until the agent closes.
        "deaf" => {
            let _ = to.read_u8().await;
        }
        // Reads nothing and sends nothing.
        "deaf-mute" => {
            drop(to);
            // A duplex has two directions. This one fills, and fails once the agent closes.
            loop {
                from.write_all(&[0; 1024]).await?;
            }
        }
        // Sends nothing, and reads late.
        "late" => {
            drop(to);
            tokio::time::sleep(Duration::from_secs(20)).await;
            let read = copy(&mut from, &mut tokio::io::sink()).await?;
            taken.fetch_add(usize::try_from(read).unwrap(), Ordering::SeqCst);
            return Ok(());
        }
        // Stops reading, and then sends something.
        "answers-early" => {
            drop(from);
            tokio::time::sleep(Duration::from_secs(1)).await;
            to.write_all(GOODBYE).await?;
        }
        "hang-up" => {
            let mut one = [0];
            from.read_exact(&mut one).await?;
            return Ok(());
        }
        other => panic!("no target {other}"),
    }
    to.shutdown().await
}

struct Open(Arc<AtomicUsize>);

impl Open {
    fn count(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
