//! The hub's clock, as its answers tell it. The hub says when a grant was created, so a grant ends by the
//! hub's clock: if the clock of this machine is slow, what it lacks is added. If it is fast, grants end
//! early, and nothing is subtracted, because an answer that was long on its way looks the same.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Response, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use kubernetes::clock::now;
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::util::MapResponseLayer;
use tracing::{info, warn};

/// How long a measurement counts if those that follow show less. An answer that was on its way for long
/// shows less than there is, and a clock that was set shows less for good.
const COUNTS_FOR: Duration = Duration::from_mins(1);
/// From this on, administrators are told.
const TOLD_FROM: SignedDuration = SignedDuration::from_secs(5);

/// How far the clock of this machine is behind the hub's.
#[derive(Clone, Debug, Default)]
pub(crate) struct HubClock(Arc<Mutex<Lag>>);

#[derive(Debug, Default)]
struct Lag {
    lag: SignedDuration,
    measured: Option<Instant>,
}

impl HubClock {
    /// The time at the hub when the clock of this machine shows `local`.
    pub(crate) fn at(&self, local: Timestamp) -> Timestamp {
        let lag = self.0.lock().lag;
        local.checked_add(lag).unwrap_or(Timestamp::MAX)
    }

    /// The layer of a client that takes in every answer of the hub.
    pub(crate) fn listening<B>(
        &self,
    ) -> MapResponseLayer<impl Fn(Response<B>) -> Response<B> + Clone + use<B>> {
        let clock = self.clone();
        MapResponseLayer::new(move |answer: Response<B>| {
            clock.hear(answer.headers(), now());
            answer
        })
    }

    /// Takes in an answer of the hub that came when the clock of this machine showed `local`. The hub
    /// tells whole seconds.
    fn hear(&self, headers: &HeaderMap, local: Timestamp) {
        let told = headers.get(DATE).and_then(|date| date.to_str().ok());
        if let Some(told) = told.and_then(|date| rfc2822::parse(date).ok()) {
            self.measure(told.timestamp().duration_since(local), Instant::now());
        }
    }

    fn measure(&self, lag: SignedDuration, now: Instant) {
        let lag = lag.max(SignedDuration::ZERO);
        let mut known = self.0.lock();
        let counts = known
            .measured
            .is_some_and(|it| now.duration_since(it) < COUNTS_FOR);
        if counts && lag < known.lag {
            return;
        }
        let before = std::mem::replace(&mut known.lag, lag);
        known.measured = Some(now);
        drop(known);
        match (before >= TOLD_FROM, lag >= TOLD_FROM) {
            (false, true) => warn!(
                seconds = lag.as_secs(),
                "the clock of this machine is behind the hub's; AccessGrants end by the hub's; set this clock"
            ),
            (true, false) => info!("the clock of this machine is no longer behind the hub's"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::ready};

    use http::Request;
    use kube::client::{Body, ClientBuilder};
    use tower::service_fn;

    use super::*;

    const EPOCH: Timestamp = Timestamp::UNIX_EPOCH;

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    fn heard(clock: &HubClock, date: &'static str, local: Timestamp) -> i64 {
        let headers = [(DATE, http::HeaderValue::from_static(date))];
        clock.hear(&headers.into_iter().collect(), local);
        clock.at(EPOCH).as_second()
    }

    #[test]
    fn what_a_slow_clock_lacks_is_added_and_nothing_is_taken_from_a_fast_one() {
        let clock = HubClock::default();
        let date = "Thu, 01 Jan 1970 00:01:00 GMT";
        assert_eq!(clock.at(EPOCH), EPOCH);
        assert_eq!(heard(&clock, "soon", EPOCH), 0);
        assert_eq!(heard(&clock, date, EPOCH + seconds(90)), 0);
        assert_eq!(heard(&clock, date, EPOCH + seconds(20)), 40);
        assert_eq!(heard(&clock, date, EPOCH), 60);
    }

    #[tokio::test]
    async fn a_client_takes_in_what_every_answer_of_the_hub_tells() {
        let clock = HubClock::default();
        let hub = service_fn(|_: Request<Body>| {
            let answer = Response::builder().header(DATE, "Fri, 01 Jan 2100 00:00:00 GMT");
            ready(Ok::<_, Infallible>(answer.body(Body::empty()).unwrap()))
        });
        let client = ClientBuilder::new(hub, "default").with_layer(&clock.listening());
        let asked = Request::get("/livez").body(Vec::new()).unwrap();
        client.build().request_text(asked).await.unwrap();
        let year_2100: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
        let late = year_2100.duration_since(clock.at(now()));
        assert!(late.abs() < seconds(60), "{late}");
    }

    #[test]
    fn an_answer_that_was_long_on_its_way_hides_nothing_and_a_clock_that_was_set_counts() {
        let (clock, begin) = (HubClock::default(), Instant::now());
        let lag = |clock: &HubClock| clock.at(EPOCH).as_second();
        clock.measure(seconds(60), begin);
        clock.measure(seconds(30), begin + COUNTS_FOR / 2);
        assert_eq!(lag(&clock), 60);
        clock.measure(seconds(0), begin + COUNTS_FOR);
        assert_eq!(lag(&clock), 0);
    }
}
