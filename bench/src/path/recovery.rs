//! The agent dies with requests in flight. Measured is when and how each of them is answered, and
//! how soon the spoke is served after the agent was started again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use http::StatusCode;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    callers::once,
    client::{Get, Sender},
    statistics::Series,
    table::{Table, figure},
    warm::CONNECTIONS,
    way::{Path, Role, Way},
};

const STREAMS: usize = 32;
/// How long the streams run before the agent dies.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// After this time without an answer a request counts as unanswered.
const GIVEN_UP: Duration = Duration::from_mins(1);
/// The spoke's answer had begun and broke off.
const CUT_OFF: &str = "cut off";
const PROBE_EVERY: Duration = Duration::from_millis(10);
const PROBE_DEADLINE: Duration = Duration::from_secs(1);

/// Figures of one path.
#[derive(Debug)]
struct Death {
    path: Path,
    /// Seconds from the kill to the last answer of a request in flight.
    last: Series,
    /// The number of each kind of answer, over all rounds.
    answers: BTreeMap<String, usize>,
    /// Seconds from the agent's start to the first answer of the spoke.
    served: Series,
}

/// All figures of the agent's death.
#[derive(Debug, Default)]
pub(crate) struct Recovery(Vec<Death>);

impl Recovery {
    /// One death and recovery on one way.
    pub(crate) async fn round(&mut self, way: &Way<'_>) -> anyhow::Result<()> {
        let agent = way.own().find(|(role, _)| *role == Role::Agent);
        let (_, agent) = agent.context("a way without an agent")?;
        let connections = way.client.connections(CONNECTIONS).await?;
        let request = way.client.get(way.upstream.small())?;
        let (kill, killed) = watch::channel(None);
        let mut streams = JoinSet::new();
        for (_, connection) in (0..STREAMS).zip(connections.iter().cycle()) {
            let stream = until_killed(connection.sender(), request.clone(), killed.clone());
            streams.spawn(stream);
        }
        sleep(UNDER_WAY).await;
        kill.send_replace(Some(Instant::now()));
        agent.kill();
        let death = self.of(way.path);
        let mut last = 0.0_f64;
        while let Some(answered) = streams.join_next().await {
            let (answer, after) = answered?;
            last = last.max(after.as_secs_f64());
            *death.answers.entry(answer).or_default() += 1;
        }
        death.last.push(last);
        agent.restart()?;
        let started = Instant::now();
        while started.elapsed() < GIVEN_UP {
            let probe = timeout(PROBE_DEADLINE, once(&way.client, &request));
            if matches!(probe.await, Ok(Ok(_))) {
                death.served.push(started.elapsed().as_secs_f64());
                return Ok(());
            }
            sleep(PROBE_EVERY).await;
        }
        anyhow::bail!("{}: not served again within {GIVEN_UP:?}", way.path)
    }

    fn of(&mut self, path: Path) -> &mut Death {
        let known = self.0.iter().position(|it| it.path == path);
        let index = known.unwrap_or_else(|| {
            self.0.push(Death {
                path,
                last: Series::default(),
                answers: BTreeMap::new(),
                served: Series::default(),
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    /// Seconds until the last request in flight was answered.
    pub(crate) fn last(&self, path: Path) -> f64 {
        self.find(path)
            .map_or(f64::NAN, |death| death.last.median())
    }

    /// The number of requests that failed without a typed refusal and not in the middle of the
    /// spoke's answer, over all rounds.
    pub(crate) fn untyped(&self, path: Path) -> usize {
        let typed = |answer: &str| ["502", "503"].contains(&answer) || answer.ends_with(CUT_OFF);
        let answers = self.find(path).map(|death| &death.answers);
        let untyped = answers
            .into_iter()
            .flatten()
            .filter(|(answer, _)| !typed(answer));
        untyped.map(|(_, count)| count).sum()
    }

    /// Seconds from the agent's start until a request through it is answered.
    pub(crate) fn served(&self, path: Path) -> f64 {
        self.find(path)
            .map_or(f64::NAN, |death| death.served.median())
    }

    fn find(&self, path: Path) -> Option<&Death> {
        self.0.iter().find(|death| death.path == path)
    }

    pub(crate) fn table(&self) -> Table {
        let title = format!("agent killed, {STREAMS} requests in flight");
        let mut table = Table::new(&[
            &title,
            "last answer s",
            "answers (all rounds)",
            "served again s after its start",
        ]);
        for death in &self.0 {
            let answers = death.answers.iter();
            let answers: Vec<_> = answers
                .map(|(answer, count)| format!("{answer}: {count}"))
                .collect();
            table.row([
                death.path.to_string(),
                figure(death.last.median(), 3),
                answers.join(", "),
                figure(death.served.median(), 2),
            ]);
        }
        table
    }
}

/// Sends one request after the other until one fails. Returns how it failed, and how long after the
/// kill. Requests that the spoke still answers while the agent is being killed do not count.
async fn until_killed(
    mut sender: Sender,
    request: Get,
    killed: watch::Receiver<Option<Instant>>,
) -> (String, Duration) {
    loop {
        let answer = match timeout(GIVEN_UP, sender.status(&request)).await {
            Ok(Ok((StatusCode::OK, true))) => continue,
            Ok(Ok((status, true))) => status.as_str().to_owned(),
            // After its head is sent, an answer can only be reset.
            Ok(Ok((status, false))) => format!("{} {CUT_OFF}", status.as_str()),
            Ok(Err(_)) => "broken".to_owned(),
            Err(_) => "none".to_owned(),
        };
        let since = killed.borrow().map(|killed| killed.elapsed());
        return (answer, since.unwrap_or_default());
    }
}
