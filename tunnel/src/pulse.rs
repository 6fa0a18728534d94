//! What the pings of one connection have shown: the round trip, and whether the peer owes an
//! answer.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// A peer that has not answered a ping for this long is silent. Most round trips are much shorter,
/// and those that are longer cost nothing: pipes go to other connections meanwhile.
const SILENCE: Duration = Duration::from_secs(1);

/// The pings of one connection. Both numbers are in nanoseconds; 0 says that there is none.
#[derive(Debug)]
pub(crate) struct Pulse {
    epoch: Instant,
    /// When the ping that is not answered yet was sent, after the epoch.
    unanswered: AtomicU64,
    round_trip: AtomicU64,
    wanted: Notify,
}

impl Pulse {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            unanswered: AtomicU64::new(0),
            round_trip: AtomicU64::new(0),
            wanted: Notify::new(),
        }
    }

    pub(crate) fn sent(&self, now: Instant) {
        let sent = nanoseconds(now.duration_since(self.epoch));
        self.unanswered.store(sent, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, round_trip: Duration) {
        self.unanswered.store(0, Ordering::Relaxed);
        let nanoseconds = nanoseconds(round_trip);
        self.round_trip.store(nanoseconds, Ordering::Relaxed);
    }

    /// The round trip of the last ping that was answered.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let nanoseconds = self.round_trip.load(Ordering::Relaxed);
        (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
    }

    /// Whether a ping is not answered yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) > 0
    }

    /// Whether the peer has owed an answer for some time.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        let sent = self.unanswered.load(Ordering::Relaxed);
        sent > 0 && now.duration_since(self.epoch) >= Duration::from_nanos(sent) + SILENCE
    }

    /// Wants a ping sooner than the next one is due.
    pub(crate) fn hurry(&self) {
        self.wanted.notify_one();
    }

    /// Waits until a ping is wanted.
    pub(crate) async fn hurried(&self) {
        self.wanted.notified().await;
    }
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_silent_from_a_second_after_a_ping_until_its_answer() {
        let at = |milliseconds| Duration::from_millis(milliseconds);
        let epoch = Instant::now();
        let pulse = Pulse::new(epoch);
        assert!(!pulse.is_silent(epoch + at(10_000)) && pulse.round_trip().is_none());
        pulse.sent(epoch + at(20_000));
        assert!(!pulse.is_silent(epoch + at(20_999)));
        assert!(pulse.is_silent(epoch + at(21_000)));
        pulse.answered(at(1_500));
        assert!(!pulse.is_silent(epoch + at(30_000)));
        assert_eq!(pulse.round_trip(), Some(at(1_500)));
    }
}
