//! What one replica tells another about itself, as lines of text (protocol.md §10): first its whole
//! state, then changes. A slow reader may miss steps in between, but always reaches the current
//! state.

use std::collections::BTreeMap;

use crds::ClusterName;
use serde::{Serialize, de::DeserializeOwned};
use tunnel::Target;

use crate::clusters::{Decision, History, Sighting, View, Went};

/// The largest length of a line, in bytes.
pub(super) const MAX_LINE: usize = 16 << 10;
/// The largest number of clusters that one replica may claim. Further claims are ignored.
pub(super) const MAX_CLUSTERS: usize = 64 << 10;

/// One line of the news. The subject is the replica that writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// It has a tunnel of this cluster.
    Holds(ClusterName),
    /// It has no tunnel of this cluster any more.
    Lacks(ClusterName),
    /// A tunnel of this cluster drains, and it has others. Pipes that were opened before may be on
    /// that tunnel.
    TunnelDrains(ClusterName),
    /// It sees this of a cluster.
    Saw(ClusterName, View),
    /// It has decided that this is shown of a cluster.
    Shows(ClusterName, Decision),
    /// This cluster was removed.
    Gone(Went),
    /// It has reported all clusters that were removed after this revision.
    Since(u64),
    /// It has told its whole state once.
    Told,
    /// It is shutting down.
    Drains,
}

/// The target of the pipe for news. It is the only target that names no cluster.
pub(super) fn target() -> Target {
    "news:1".parse().expect("a constant that parses")
}

impl Line {
    /// Reads a line; `None` if it is of a later version or malformed.
    pub(super) fn read(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("holds", cluster)) => Some(Self::Holds(cluster.parse().ok()?)),
            Some(("lacks", cluster)) => Some(Self::Lacks(cluster.parse().ok()?)),
            Some(("drains", cluster)) => Some(Self::TunnelDrains(cluster.parse().ok()?)),
            Some(("saw", rest)) => {
                let (cluster, view) = about(rest)?;
                Some(Self::Saw(cluster, view))
            }
            Some(("shows", rest)) => {
                let (cluster, decision) = about(rest)?;
                Some(Self::Shows(cluster, decision))
            }
            Some(("gone", went)) => Some(Self::Gone(serde_json::from_str(went).ok()?)),
            Some(("since", revision)) => Some(Self::Since(revision.parse().ok()?)),
            None if line == "told" => Some(Self::Told),
            None if line == "drains" => Some(Self::Drains),
            _ => None,
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Holds(cluster) => out.extend(["holds ", cluster.as_str(), "\n"]),
            Self::Lacks(cluster) => out.extend(["lacks ", cluster.as_str(), "\n"]),
            Self::TunnelDrains(cluster) => out.extend(["drains ", cluster.as_str(), "\n"]),
            Self::Saw(cluster, view) => write_about(out, "saw", cluster, view),
            Self::Shows(cluster, decision) => write_about(out, "shows", cluster, decision),
            Self::Gone(went) => out.extend(["gone ", &json(went), "\n"]),
            Self::Since(revision) => out.extend(["since ", &revision.to_string(), "\n"]),
            Self::Told => out.push_str("told\n"),
            Self::Drains => out.push_str("drains\n"),
        }
    }
}

fn about<T: DeserializeOwned>(text: &str) -> Option<(ClusterName, T)> {
    let (cluster, what) = text.split_once(' ')?;
    Some((cluster.parse().ok()?, serde_json::from_str(what).ok()?))
}

fn write_about(out: &mut String, word: &str, cluster: &ClusterName, what: &impl Serialize) {
    out.extend([word, " ", cluster.as_str(), " ", &json(what), "\n"]);
}

fn json(what: &impl Serialize) -> String {
    serde_json::to_string(what).expect("plain structs with string keys")
}

/// Reads lines, and checks that each one that was understood is written and read back unchanged.
pub(crate) fn fuzz(text: &str) {
    for line in text.lines().filter_map(Line::read) {
        let mut written = String::new();
        line.write(&mut written);
        assert_eq!(written.matches('\n').count(), 1, "{written}");
        assert_eq!(Line::read(written.trim_end_matches('\n')), Some(line));
    }
}

/// What the other replica has been told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    held: BTreeMap<ClusterName, u64>,
    sightings: BTreeMap<ClusterName, Sighting>,
    all: bool,
    drains: bool,
}

/// The current state of this replica, as the news tells it.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The clusters with a tunnel to this replica, and the number of the last one that drained.
    pub(super) held: BTreeMap<ClusterName, u64>,
    /// What this replica sees of each cluster, and what is shown of it.
    pub(super) sightings: BTreeMap<ClusterName, Sighting>,
    /// It is shutting down.
    pub(super) drains: bool,
}

impl Told {
    /// The lines that bring a reader of all earlier lines up to date.
    pub(super) fn update(&mut self, state: State, history: impl FnOnce() -> History) -> String {
        let State {
            held,
            sightings,
            drains,
        } = state;
        let mut lines = String::new();
        if !self.all {
            tell_history(history(), &mut lines);
        }
        for (cluster, sighting) in &sightings {
            let known = self.sightings.get(cluster);
            if known.is_none_or(|known| known.view != sighting.view) {
                Line::Saw(cluster.clone(), View::clone(&sighting.view)).write(&mut lines);
            }
            if known.is_none_or(|known| known.decision != sighting.decision) {
                Line::Shows(cluster.clone(), Decision::clone(&sighting.decision)).write(&mut lines);
            }
        }
        self.sightings = sightings;
        for (cluster, drained) in &held {
            match self.held.get(cluster) {
                None => Line::Holds(cluster.clone()).write(&mut lines),
                Some(known) if known == drained => {}
                Some(_) => Line::TunnelDrains(cluster.clone()).write(&mut lines),
            }
        }
        for cluster in self.held.keys().filter(|it| !held.contains_key(*it)) {
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

fn tell_history(history: History, lines: &mut String) {
    if let Some(oldest) = history.oldest {
        for went in history.gone {
            Line::Gone(went).write(lines);
        }
        Line::Since(oldest).write(lines);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    fn holding(held: BTreeSet<ClusterName>) -> State {
        State {
            held: held.into_iter().map(|cluster| (cluster, 0)).collect(),
            ..State::default()
        }
    }

    proptest! {
        #[test]
        fn whoever_reads_all_lines_knows_the_state(
            states in proptest::collection::vec(proptest::collection::btree_set(0..9_u8, 0..9), 1..9)
        ) {
            let (mut told, mut known) = (Told::default(), BTreeSet::new());
            for (index, state) in states.iter().enumerate() {
                let lines = told.update(holding(names(state)), History::default);
                let said = heard(&lines, &mut known);
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
    fn each_line_reads_back() {
        let name: ClusterName = "managed1".parse().unwrap();
        let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        for line in [
            Line::Holds(name.clone()),
            Line::Lacks(name.clone()),
            Line::TunnelDrains(name.clone()),
            Line::Saw(name.clone(), View::default()),
            Line::Shows(name.clone(), Decision::default()),
            Line::Gone(Went {
                cluster: name,
                revision: 7,
                labels: Some(labels),
            }),
            Line::Since(7),
            Line::Told,
            Line::Drains,
        ] {
            let mut written = String::new();
            line.write(&mut written);
            assert_eq!(Line::read(written.strip_suffix('\n').unwrap()), Some(line));
        }
        for nonsense in [
            "",
            "holds",
            "holds A_B",
            "holds  c1",
            "drains A_B",
            "told x",
            "saw c1 {",
            "later word",
        ] {
            assert_eq!(Line::read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_tunnel_that_drains_is_told_once_to_those_who_know_of_it() {
        let name: ClusterName = "managed1".parse().unwrap();
        let mut told = Told::default();
        let mut update = |drained: Option<u64>| {
            let held = drained.map(|drained| (name.clone(), drained));
            let state = State {
                held: held.into_iter().collect(),
                ..State::default()
            };
            told.update(state, History::default)
        };
        assert_eq!(update(Some(1)), "holds managed1\ntold\n");
        assert_eq!(update(Some(4)), "drains managed1\n");
        assert_eq!(update(Some(4)), "");
        assert_eq!(update(None), "lacks managed1\n");
        assert_eq!(update(Some(5)), "holds managed1\n");
    }

    #[test]
    fn what_has_changed_is_told_once() {
        let name: ClusterName = "managed1".parse().unwrap();
        let mut told = Told::default();
        let state = |drains| State {
            sightings: BTreeMap::from([(name.clone(), Sighting::default())]),
            drains,
            ..State::default()
        };
        let history = || History {
            oldest: Some(7),
            ..History::default()
        };
        let first = told.update(state(true), history);
        let words: Vec<_> = first
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(words, ["since", "saw", "shows", "told", "drains"]);
        assert_eq!(told.update(state(true), history), "");
    }
}
