//! One kind of object of the hub, parsed, by the managed cluster it is about.

use std::collections::{BTreeMap, BTreeSet};

use crds::ClusterName;

/// What is known from one watch.
#[derive(Debug)]
pub(super) struct Sheet<T> {
    entries: BTreeMap<ClusterName, Known<T>>,
    /// There was a full list: what is not in here does not exist.
    listed: bool,
    /// The hub has this kind of object, and it may be read.
    has_kind: bool,
}

/// What is kept of an object.
#[derive(Debug)]
pub(super) struct Known<T> {
    pub(super) entry: T,
    /// The revision of the hub at which the object was written last.
    pub(super) revision: u64,
}

impl<T> Default for Sheet<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            listed: false,
            has_kind: false,
        }
    }
}

impl<T> Sheet<T> {
    pub(super) fn get(&self, cluster: &ClusterName) -> Option<&T> {
        self.entries.get(cluster).map(|known| &known.entry)
    }

    /// The revision of what is known of a cluster; 0 if nothing is.
    pub(super) fn revision(&self, cluster: &ClusterName) -> u64 {
        self.entries.get(cluster).map_or(0, |known| known.revision)
    }

    /// Replaces all entries; returns the clusters whose entry may have changed.
    pub(super) fn replace(
        &mut self,
        entries: BTreeMap<ClusterName, Known<T>>,
    ) -> BTreeSet<ClusterName> {
        let touched = self.entries.keys().chain(entries.keys()).cloned().collect();
        self.entries = entries;
        (self.listed, self.has_kind) = (true, true);
        touched
    }

    /// Notes that the hub does not have this kind of object.
    pub(super) fn has_no_kind(&mut self) {
        self.listed = true;
    }

    /// Whether there ever was a full list of objects.
    pub(super) fn has_kind(&self) -> bool {
        self.has_kind
    }

    /// The clusters that are in here.
    pub(super) fn names(&self) -> impl Iterator<Item = &ClusterName> {
        self.entries.keys()
    }

    /// Whether there ever was a full list, or it is known that there is none.
    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }

    /// Replaces one entry.
    pub(super) fn set(&mut self, cluster: ClusterName, entry: Option<Known<T>>) {
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
        let known = |entry| Known { entry, revision: 7 };
        sheet.set(name("a"), Some(known(1)));
        sheet.set(name("b"), Some(known(2)));
        sheet.set(name("b"), None);
        let touched = sheet.replace(BTreeMap::from([(name("c"), known(3))]));
        assert_eq!(touched, BTreeSet::from([name("a"), name("c")]));
        assert!(sheet.is_listed());
        assert_eq!(
            (sheet.get(&name("a")), sheet.get(&name("c"))),
            (None, Some(&3))
        );
        assert_eq!(
            (sheet.revision(&name("a")), sheet.revision(&name("c"))),
            (0, 7)
        );
    }
}
