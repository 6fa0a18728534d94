//! `docs/protocol.md` names a test for every clause, and each of them exists.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The functions behind a `#[test]` of any kind in all files under `folder`, and properties.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            for pair in lines.windows(2) {
                if pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test") {
                    let name = pair[1].trim_start_matches("async ");
                    let name = name.trim_start_matches("fn ").split('(').next();
                    found.insert(name.unwrap().to_owned());
                }
            }
        }
    }
}

#[test]
fn every_clause_names_tests_that_exist() {
    let mut known = BTreeSet::new();
    for folder in ["tunnel/src", "tunnel/tests", "agent/src"] {
        tests(&workspace().join(folder), &mut known);
    }
    let text = std::fs::read_to_string(workspace().join("docs/protocol.md")).unwrap();
    let mut clauses = 0;
    for paragraph in text.split("\n\n") {
        let number = paragraph.split(' ').next().unwrap();
        if !number.contains('.') || !number.starts_with(|it: char| it.is_ascii_digit()) {
            continue;
        }
        clauses += 1;
        let proofs = paragraph.rsplit_once('→');
        let proofs = proofs.unwrap_or_else(|| panic!("{number} names no test"));
        let names: Vec<_> = proofs.1.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{number} names no test");
        for name in names.into_iter().filter(|name| !name.ends_with('/')) {
            assert!(
                known.contains(name),
                "{number} names {name}, which is no test"
            );
        }
    }
    assert!(clauses > 30, "{clauses} clauses");
}

#[test]
fn the_protocols_name_stays() {
    assert_eq!(tunnel::PROTOCOL, "spokeway-tunnel");
}
