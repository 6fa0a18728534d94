//! Finds files that import each other in a circle. `check` fails on each one that is not allowed.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context as _;

use crate::cargo::root;

mod components;
mod modules;
mod source;
mod tokens;

use components::circles;
use modules::{Arrows, Modules};

/// The allowed circles, one per line. ARCHITECTURE.md gives the reason for each.
const DEFENDED: &[&str] = &["tunnel/src/session.rs tunnel/src/stream.rs"];

/// Reports every circle of files that is not allowed, and the imports that close it.
pub(crate) fn check() -> anyhow::Result<()> {
    let root = root();
    let mut found = String::new();
    for file in crate_roots(&root)? {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        let arrows = Modules::load(&file, &read).arrows();
        found.extend(
            undefended(&arrows, DEFENDED)
                .iter()
                .map(|circle| tell(circle, &arrows)),
        );
    }
    anyhow::ensure!(
        found.is_empty(),
        "files import each other in a circle; move the code that they share to a separate file:\n{found}"
    );
    Ok(())
}

fn undefended<'a>(arrows: &'a Arrows, defended: &[&str]) -> Vec<BTreeSet<&'a str>> {
    let is_defended = |circle: &BTreeSet<&str>| {
        defended.iter().any(|files| {
            let files: BTreeSet<_> = files.split(' ').collect();
            circle.is_subset(&files)
        })
    };
    let pairs = arrows.keys().map(|(from, to)| (from.as_str(), to.as_str()));
    let circles = circles(pairs).into_iter();
    circles.filter(|circle| !is_defended(circle)).collect()
}

fn tell(circle: &BTreeSet<&str>, arrows: &Arrows) -> String {
    let is_inside = |(from, to): &(String, String)| {
        circle.contains(from.as_str()) && circle.contains(to.as_str())
    };
    let inside = arrows.iter().filter(|(files, _)| is_inside(files));
    let lines = inside.map(|((from, to), names)| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        format!("  {from} imports from {to}: {}\n", names.join(", "))
    });
    let head = format!("circle of {} files\n", circle.len());
    [head].into_iter().chain(lines).collect()
}

/// The root files of all crates and programs of the workspace, relative to its root.
fn crate_roots(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut roots = Vec::new();
    for member in names(root)? {
        let sources = format!("{member}/src");
        let bins = names(&root.join(&sources).join("bin")).unwrap_or_default();
        let programs = bins.iter().flat_map(|name| {
            [
                format!("{sources}/bin/{name}"),
                format!("{sources}/bin/{name}/main.rs"),
            ]
        });
        let candidates = [format!("{sources}/lib.rs"), format!("{sources}/main.rs")]
            .into_iter()
            .chain(programs);
        roots.extend(candidates.filter(|file| root.join(file).is_file()));
    }
    Ok(roots)
}

fn names(directory: &Path) -> anyhow::Result<BTreeSet<String>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(pairs: &[(&str, &str)]) -> Arrows {
        let arrow = |(from, to): &(&str, &str)| {
            let names = BTreeSet::from(["Name".to_owned()]);
            (((*from).to_owned(), (*to).to_owned()), names)
        };
        pairs.iter().map(arrow).collect()
    }

    #[test]
    fn a_circle_is_let_pass_only_if_it_is_listed() {
        let arrows = arrows(&[("a", "b"), ("b", "a"), ("b", "c")]);
        assert!(undefended(&arrows, &["a b c"]).is_empty());
        let found = undefended(&arrows, &["a c"]);
        assert_eq!(found, [BTreeSet::from(["a", "b"])]);
        assert_eq!(
            tell(&found[0], &arrows),
            "circle of 2 files\n  a imports from b: Name\n  b imports from a: Name\n"
        );
    }
}
