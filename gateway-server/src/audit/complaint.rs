//! Something that is worth one line of the log once in a while.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(super) struct Complaint(Mutex<Option<Instant>>);

impl Complaint {
    /// Whether to complain now. From then on, not for a minute.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock();
        let is_due = last.is_none_or(|last| now.duration_since(last) >= INTERVAL);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complaint_a_minute() {
        let (complaint, begin) = (Complaint::default(), Instant::now());
        let due =
            [0, 1, 59, 60, 61, 121].map(|it| complaint.is_due(begin + Duration::from_secs(it)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
