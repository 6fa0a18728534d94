//! Faults that are found again and again, and are logged when they change.

use std::time::Duration;

use tokio::time::Instant;

/// How often a fault that lasts is logged, so that the log of the last minutes tells of it too.
pub const REMINDER: Duration = Duration::from_mins(10);

/// What was logged last about one thing.
#[derive(Debug, Default)]
pub struct News(Option<Said>);

#[derive(Debug)]
struct Said {
    fault: String,
    at: Instant,
}

impl News {
    /// Records the fault of the last attempt, or that there was none. Returns the fault if the caller
    /// should log it.
    pub fn of(&mut self, fault: Option<String>) -> Option<&str> {
        let Some(fault) = fault else {
            self.0 = None;
            return None;
        };
        let old = self.0.as_ref();
        if old.is_some_and(|old| old.fault == fault && old.at.elapsed() < REMINDER) {
            return None;
        }
        let at = Instant::now();
        Some(&self.0.insert(Said { fault, at }).fault)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn told(news: &mut News, fault: Option<&str>) -> bool {
        news.of(fault.map(str::to_owned)).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_is_news_until_it_is_the_same_again() {
        let mut news = News::default();
        let attempts = [Some("half"), Some("half"), Some("gone"), None, Some("gone")];
        let told = attempts.map(|fault| told(&mut news, fault));
        assert_eq!(told, [true, false, true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_that_lasts_is_told_again_after_ten_minutes() {
        let mut news = News::default();
        assert!(told(&mut news, Some("down")));
        advance(Duration::from_secs(599)).await;
        assert!(!told(&mut news, Some("down")));
        advance(Duration::from_secs(1)).await;
        assert!(told(&mut news, Some("down")));
        assert!(!told(&mut news, Some("down")));
    }
}
