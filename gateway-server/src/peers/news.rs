//! What one replica tells another about itself, as lines of text (protocol.md §10): first all of it, then
//! changes. It is the state that counts: who reads slowly misses steps in between, and never the end.

use std::collections::BTreeSet;

use crds::ClusterName;
use tunnel::Target;

/// A line is no longer than this.
pub(super) const MAX_LINE: usize = 4 << 10;
/// Clusters that one replica may claim; what is beyond is ignored.
pub(super) const MAX_CLUSTERS: usize = 64 << 10;

/// One line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// It has a tunnel of this cluster …
    Holds(ClusterName),
    /// … or no longer.
    Lacks(ClusterName),
    /// All that it had to say at the beginning is said.
    Told,
    /// It wants to go.
    Drains,
}

/// What a pipe for news leads to. No cluster is part of it, unlike in every other target.
pub(super) fn target() -> Target {
    "news:1".parse().expect("a constant that parses")
}

impl Line {
    /// Reads a line; `None` if it is of a later version, or nonsense.
    pub(super) fn read(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("holds", cluster)) => Some(Self::Holds(cluster.parse().ok()?)),
            Some(("lacks", cluster)) => Some(Self::Lacks(cluster.parse().ok()?)),
            None if line == "told" => Some(Self::Told),
            None if line == "drains" => Some(Self::Drains),
            _ => None,
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Holds(cluster) => out.extend(["holds ", cluster.as_str(), "\n"]),
            Self::Lacks(cluster) => out.extend(["lacks ", cluster.as_str(), "\n"]),
            Self::Told => out.push_str("told\n"),
            Self::Drains => out.push_str("drains\n"),
        }
    }
}

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    held: BTreeSet<ClusterName>,
    all: bool,
    drains: bool,
}

impl Told {
    /// The lines that bring a reader up to date, who has read all lines before.
    pub(super) fn update(&mut self, held: BTreeSet<ClusterName>, drains: bool) -> String {
        let mut lines = String::new();
        for cluster in held.difference(&self.held) {
            Line::Holds(cluster.clone()).write(&mut lines);
        }
        for cluster in self.held.difference(&held) {
            Line::Lacks(cluster.clone()).write(&mut lines);
        }
        if !std::mem::replace(&mut self.all, true) {
            Line::Told.write(&mut lines);
        }
        if drains && !std::mem::replace(&mut self.drains, true) {
            Line::Drains.write(&mut lines);
        }
        self.held = held;
        lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(numbers: &BTreeSet<u8>) -> BTreeSet<ClusterName> {
        let name = |number: &u8| format!("c{number}").parse().unwrap();
        numbers.iter().map(name).collect()
    }

    fn heard(lines: &str, known: &mut BTreeSet<ClusterName>) -> Vec<Line> {
        let mut others = Vec::new();
        for line in lines.lines() {
            match Line::read(line).unwrap() {
                Line::Holds(cluster) => assert!(known.insert(cluster)),
                Line::Lacks(cluster) => assert!(known.remove(&cluster)),
                other => others.push(other),
            }
        }
        others
    }

    proptest! {
        #[test]
        fn whoever_reads_all_lines_knows_the_state(
            states in proptest::collection::vec(proptest::collection::btree_set(0..9_u8, 0..9), 1..9)
        ) {
            let (mut told, mut known) = (Told::default(), BTreeSet::new());
            for (index, state) in states.iter().enumerate() {
                let said = heard(&told.update(names(state), false), &mut known);
                prop_assert_eq!(&known, &names(state));
                prop_assert_eq!(said, if index == 0 { vec![Line::Told] } else { vec![] });
            }
        }

        #[test]
        fn any_line_is_read_or_ignored(line in ".*") {
            let _ = Line::read(&line);
        }
    }

    #[test]
    fn that_it_drains_is_said_once() {
        let mut told = Told::default();
        assert_eq!(told.update(BTreeSet::new(), true), "told\ndrains\n");
        assert_eq!(told.update(BTreeSet::new(), true), "");
        for nonsense in [
            "",
            "holds",
            "holds A_B",
            "holds  c1",
            "told x",
            "later word",
        ] {
            assert_eq!(Line::read(nonsense), None, "{nonsense}");
        }
    }
}
