//! Some documents name tests for what they state. All these tests must exist.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(name: &str) -> String {
    std::fs::read_to_string(workspace().join("docs").join(name)).unwrap()
}

/// The names of all tests in these folders.
fn tests(folders: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in folders {
        collect(&workspace().join(folder), &mut found);
    }
    found
}

/// The test functions of any kind in all files under `folder`, including properties.
fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            let behind = |pair: &&[&str]| {
                pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test")
            };
            for pair in lines.windows(2).filter(behind) {
                let name = pair[1].trim_start_matches("async ");
                let name = name.trim_start_matches("fn ").split('(').next();
                found.insert(name.unwrap().to_owned());
            }
        }
    }
}

/// The text between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_clause_of_the_protocol_names_tests_that_exist() {
    let known = tests(&[
        "tunnel/src",
        "tunnel/tests",
        "agent/src",
        "gateway-server/src",
    ]);
    let mut clauses = 0;
    for paragraph in document("protocol.md").split("\n\n") {
        let number = paragraph.split(' ').next().unwrap();
        if !number.contains('.') || !number.starts_with(|it: char| it.is_ascii_digit()) {
            continue;
        }
        clauses += 1;
        let proofs = paragraph.rsplit_once('→');
        let proofs = proofs.unwrap_or_else(|| panic!("{number} names no test"));
        let names: Vec<_> = quoted(proofs.1).collect();
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
fn every_behaviour_of_accounts_names_tests_that_exist() {
    let known = tests(&[
        "agent/src",
        "crds/src",
        "e2e/src",
        "e2e/tests",
        "kubernetes/src",
    ]);
    let page = document("managed-serviceaccount.md");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|row| !row.contains("| shown by |"));
    let mut count = 0;
    for row in rows {
        let (what, proofs) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        let names: Vec<_> = quoted(proofs).collect();
        assert!(!names.is_empty(), "{what} names no test");
        for name in names {
            assert!(
                known.contains(name),
                "{what} names {name}, which is no test"
            );
        }
        count += 1;
    }
    assert!(count > 30, "{count} rows");
}

/// The literals in the part of a source before its tests, each with the text before it.
fn literals(source: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(workspace().join(source)).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let parts: Vec<_> = text.split('"').collect();
    let pairs = parts.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].trim_end().to_owned(), pair[1].to_owned()))
        .collect()
}

/// Whether a word is spelled like a condition, a reason or a phase.
fn is_camel_case(word: &str) -> bool {
    word.len() > 3
        && word.starts_with(|it: char| it.is_ascii_uppercase())
        && word.chars().all(|it| it.is_ascii_alphanumeric())
        && word != "True"
}

fn is_snake_case(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|it| it.is_ascii_lowercase() || it == '_')
}

#[test]
fn operations_know_every_condition_reason_phase_and_event() {
    let page = document("operations.md");
    let known: BTreeSet<_> = quoted(&page).collect();
    let mut words = BTreeSet::new();
    for source in [
        "operator/src/plan/status/accounts.rs",
        "operator/src/plan/status/conditions.rs",
        "operator/src/plan/status/clusters.rs",
        "operator/src/plan/status/removals.rs",
        "operator/src/plan/status/unreadable.rs",
        "operator/src/plan/enrolment/namespace.rs",
        "operator/src/plan/enrolment/proxy.rs",
        "operator/src/plan/hub/server/allowance.rs",
        "operator/src/apply/write_error.rs",
        "operator/src/engine/ended.rs",
        "gateway-server/src/proxy/failure.rs",
    ] {
        let literals = literals(source).into_iter().map(|(_, word)| word);
        let found: Vec<_> = literals.filter(|word| is_camel_case(word)).collect();
        assert!(!found.is_empty(), "{source}");
        words.extend(found);
    }
    for source in [
        "operator/src/plan/access/status.rs",
        "operator/src/plan/enrolment.rs",
        "operator/src/plan/enrolment/certificate.rs",
        "operator/src/plan/enrolment/removal.rs",
        "operator/src/plan/hub/publication.rs",
        "operator/src/plan/hub/server/keys.rs",
        "operator/src/plan/status.rs",
    ] {
        let told = |before: &str| {
            let last = before.rsplit(';').next().unwrap();
            ["plan.warn(", "telling::tell(", "telling::warn("]
                .iter()
                .any(|call| last.contains(call))
        };
        let events = literals(source).into_iter();
        let events: Vec<_> = events.filter(|(before, _)| told(before)).collect();
        assert!(!events.is_empty(), "{source}");
        words.extend(events.into_iter().map(|(_, word)| word));
    }
    let missing: Vec<_> = words
        .iter()
        .filter(|it| !known.contains(it.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn operations_know_every_metric() {
    let page = document("operations.md");
    for (source, prefix) in [
        ("gateway-server/src/metrics.rs", "gateway_"),
        ("gateway-server/src/metrics/clusters.rs", "gateway_"),
        ("operator/src/metrics.rs", "operator_"),
        ("agent/src/run.rs", "agent_"),
        ("agent/src/leases.rs", "agent_lease_"),
        ("agent/src/tokens/metrics.rs", "agent_tokens_"),
    ] {
        let is_name = |before: &str| {
            [
                "register(",
                "family(",
                "register_with_unit(",
                "let name =",
                "(name, unit) = (",
            ]
            .iter()
            .any(|it| before.ends_with(it))
        };
        let names = literals(source).into_iter();
        let names = names.filter(|(before, word)| is_name(before) && is_snake_case(word));
        let names: Vec<_> = names.map(|(_, word)| format!("`{prefix}{word}")).collect();
        assert!(!names.is_empty(), "{source}");
        for name in names {
            assert!(page.contains(&name), "{source}: {name}");
        }
    }
}

/// docs/rights.md repeats the reasons. Whether it is up to date takes control planes:
/// `every_right_of_ours_is_written_down_with_its_reason`.
#[test]
fn every_rule_that_we_ship_has_a_comment_that_says_why() {
    let rules = e2e::rules::MANIFESTS
        .into_iter()
        .flat_map(e2e::rules::rules);
    let (reasoned, silent): (Vec<_>, Vec<_>) = rules.partition(|rule| !rule.reason.is_empty());
    assert!(silent.is_empty(), "{silent:?}");
    assert!(reasoned.len() > 40, "{} rules", reasoned.len());
}
