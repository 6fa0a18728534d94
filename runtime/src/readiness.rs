//! The conditions that must be met before this process may receive traffic. Each part registers a
//! condition and sets it. `/readyz` shows which ones are not met.

use std::sync::Arc;

use parking_lot::RwLock;

/// The conditions of one process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<RwLock<Vec<(&'static str, bool)>>>);

/// The writing end of one condition.
#[derive(Clone, Debug)]
pub struct Condition {
    readiness: Readiness,
    index: usize,
}

impl Readiness {
    /// Adds a condition that is not met yet.
    pub fn condition(&self, name: &'static str) -> Condition {
        let mut conditions = self.0.write();
        conditions.push((name, false));
        Condition {
            readiness: self.clone(),
            index: conditions.len() - 1,
        }
    }

    /// True if every condition is met.
    pub fn is_ready(&self) -> bool {
        self.0.read().iter().all(|(_, met)| *met)
    }

    /// One line per condition, in the form of the Kubernetes health endpoints.
    pub fn report(&self) -> String {
        let mut report = String::new();
        for (name, met) in self.0.read().iter() {
            report.push_str(if *met { "[+]" } else { "[-]" });
            report.push_str(name);
            report.push_str(if *met { " ok\n" } else { " not ready\n" });
        }
        report.push_str(if self.is_ready() {
            "readyz check passed\n"
        } else {
            "readyz check failed\n"
        });
        report
    }
}

impl Condition {
    /// Sets whether the condition is met now.
    pub fn set(&self, met: bool) {
        self.readiness.0.write()[self.index].1 = met;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_when_every_condition_is_met() {
        let readiness = Readiness::default();
        let (clusters, authn) = (
            readiness.condition("clusters"),
            readiness.condition("authn"),
        );
        clusters.set(true);
        assert!(!readiness.is_ready());
        assert_eq!(
            readiness.report(),
            "[+]clusters ok\n[-]authn not ready\nreadyz check failed\n"
        );
        authn.set(true);
        assert!(readiness.is_ready());
        clusters.set(false);
        assert!(!readiness.is_ready());
    }
}
