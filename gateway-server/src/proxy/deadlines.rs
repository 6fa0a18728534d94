//! How long a request that is not meant to last waits, and for whom. Pure. While its body comes, its
//! caller must send the next part in time. From then on the managed cluster must begin to answer in
//! time, so a large body over a slow line costs the cluster none of its time.

use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use crate::upstream::Progress;

/// How long a caller may take to send the next part of a body that the cluster waits for.
pub(super) const NEXT_PART: Duration = Duration::from_secs(30);

/// Who is late when the wait is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Late {
    Caller,
    /// The managed cluster, or the way to it.
    Cluster,
}

/// When the wait is over, as things are now. `progress` is that of the body, if there is one, and `head`
/// is how long the cluster may take to begin its answer.
pub(super) fn end(progress: Option<Progress>, began: Instant, head: Duration) -> (Instant, Late) {
    let Progress {
        waits_since,
        last_part,
    } = progress.unwrap_or_default();
    if let Some(since) = waits_since {
        return (since + NEXT_PART, Late::Caller);
    }
    let has_all_since = last_part.map_or(began, |part| part.max(began));
    (has_all_since + head, Late::Cluster)
}

impl Late {
    pub(super) fn failure(self, head: Duration) -> Failure {
        match self {
            Self::Caller => Failure::BodyDeadline(NEXT_PART),
            Self::Cluster => Failure::Deadline(head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_cluster_begins_when_it_has_everything() {
        let (began, head) = (Instant::now(), Duration::from_mins(1));
        let at = |seconds| Some(began + Duration::from_secs(seconds));
        let table = [
            (None, (60, Late::Cluster)),
            // Nothing was read yet, because there is no connection or the cluster reads nothing.
            (Some((None, None)), (60, Late::Cluster)),
            (Some((at(1), None)), (31, Late::Caller)),
            (Some((at(50), at(50))), (80, Late::Caller)),
            (Some((None, at(100))), (160, Late::Cluster)),
        ];
        for (progress, (seconds, late)) in table {
            let progress = progress.map(|(waits_since, last_part)| Progress {
                waits_since,
                last_part,
            });
            let wanted = (began + Duration::from_secs(seconds), late);
            assert_eq!(end(progress, began, head), wanted, "{progress:?}");
        }
        // What an earlier attempt has read is not the time at which this one has begun.
        let (later, progress) = (
            began + head,
            Progress {
                waits_since: None,
                last_part: Some(began),
            },
        );
        assert_eq!(
            end(Some(progress), later, head),
            (later + head, Late::Cluster)
        );
    }
}
