//! One kind of object of the hub, parsed, by the managed cluster it is about.

use std::collections::{BTreeMap, BTreeSet};

use crds::ClusterName;

/// What is known from one watch.
#[derive(Debug)]
pub(super) struct Sheet<T> {
    entries: BTreeMap<ClusterName, T>,
    /// There was a full list: what is not in here does not exist.
    listed: bool,
}

impl<T> Default for Sheet<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            listed: false,
        }
    }
}

impl<T> Sheet<T> {
    pub(super) fn get(&self, cluster: &ClusterName) -> Option<&T> {
        self.entries.get(cluster)
    }

    /// Replaces all entries; returns the clusters whose entry may have changed.
    pub(super) fn replace(&mut self, entries: BTreeMap<ClusterName, T>) -> BTreeSet<ClusterName> {
        let touched = self.entries.keys().chain(entries.keys()).cloned().collect();
        self.entries = entries;
        self.listed = true;
        touched
    }

    /// Notes that the hub does not have this kind of object.
    pub(super) fn has_no_kind(&mut self) {
        self.listed = true;
    }

    /// Whether there ever was a full list.
    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }

    /// Replaces one entry.
    pub(super) fn set(&mut self, cluster: ClusterName, entry: Option<T>) {
        match entry {
            Some(entry) => self.entries.insert(cluster, entry),
            None => self.entries.remove(&cluster),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_list_touches_what_was_there_and_what_is() {
        let name = |name: &str| name.parse::<ClusterName>().unwrap();
        let mut sheet = Sheet::default();
        assert!(!sheet.is_listed());
        sheet.set(name("a"), Some(1));
        sheet.set(name("b"), Some(2));
        sheet.set(name("b"), None);
        let touched = sheet.replace(BTreeMap::from([(name("c"), 3)]));
        assert_eq!(touched, BTreeSet::from([name("a"), name("c")]));
        assert!(sheet.is_listed());
        assert_eq!(
            (sheet.get(&name("a")), sheet.get(&name("c"))),
            (None, Some(&3))
        );
    }
}
