//! The circles of a graph: its strongly connected components with more than one node.

use std::collections::{BTreeMap, BTreeSet};

/// Every circle as the set of its nodes. The graphs are small, so a walk starts from each node.
pub(super) fn circles<'a>(
    arrows: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeSet<BTreeSet<&'a str>> {
    let mut next: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().insert(to);
    }
    let reach: BTreeMap<_, _> = next
        .keys()
        .map(|node| (*node, reached(&next, node)))
        .collect();
    let circle = |node: &&'a str| -> BTreeSet<_> {
        let back = |other: &&str| reach.get(*other).is_some_and(|there| there.contains(*node));
        reach[*node].iter().copied().filter(back).collect()
    };
    let circles = next.keys().map(circle);
    circles.filter(|circle| circle.len() > 1).collect()
}

fn reached<'a>(next: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut left = vec![from];
    while let Some(node) = left.pop() {
        let ahead = next.get(node).into_iter().flatten().copied();
        left.extend(ahead.filter(|node| seen.insert(*node)));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_whole_and_apart() {
        for (arrows, expected) in [
            ("ab bc", &[][..]),
            ("ab ba", &["ab"]),
            ("aa", &[]),
            ("ab bc ca cd de ed", &["abc", "de"]),
        ] {
            let arrows = arrows.split(' ').map(|arrow| arrow.split_at(1));
            let circles = circles(arrows);
            let circles: Vec<String> = circles
                .into_iter()
                .map(|circle| circle.into_iter().collect())
                .collect();
            assert_eq!(circles, expected);
        }
    }
}
