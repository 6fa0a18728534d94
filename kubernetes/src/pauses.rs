//! Pauses between attempts, which double up to a limit.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// An endless sequence of pauses, each twice as long as the one before, up to a limit. It is also a
/// backoff for kube's watches.
#[derive(Clone, Debug)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
    seed: Option<String>,
}

impl Pauses {
    /// Pauses from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
            seed: None,
        }
    }

    /// Makes each pause longer by up to half of it. The amount depends only on the seed, so that
    /// programs with different seeds do not try at the same time.
    pub fn with_jitter(self, seed: &str) -> Self {
        Self {
            seed: Some(seed.to_owned()),
            ..self
        }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        let Some(seed) = &self.seed else {
            return Some(pause);
        };
        let most = i64::try_from(pause.as_millis() / 2).unwrap_or(0);
        let more = u64::try_from(jitter(seed, most)).unwrap_or(0);
        Some(pause + Duration::from_millis(more))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A part of `most`, which depends only on the seed.
pub fn jitter(seed: &str, most: i64) -> i64 {
    // FNV-1a. Its low bits are good enough to spread many programs.
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let part = i64::try_from(hash % 1024).unwrap_or(0);
    // The calculation is in this order so that it does not overflow.
    most / 1024 * part + most % 1024 * part / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again_after_a_reset() {
        let mut pauses = Pauses::new(Duration::from_secs(1), Duration::from_secs(5));
        let seconds: Vec<_> = pauses.by_ref().take(5).map(|it| it.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 5, 5]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn jitter_adds_at_most_half_and_is_the_same_for_the_same_seed() {
        let first = Duration::from_secs(2);
        let of = |seed: &str| Pauses::new(first, first).with_jitter(seed).next().unwrap();
        let pauses: Vec<_> = (0..50).map(|it| of(&format!("managed{it}"))).collect();
        assert!(
            pauses
                .iter()
                .all(|it| (first..=Duration::from_secs(3)).contains(it))
        );
        assert!(pauses.iter().any(|it| *it != pauses[0]), "not in step");
        assert_eq!(of("managed1"), of("managed1"));
    }
}
