//! Builds every test executable of the workspace, and reads its path from cargo's messages.

use std::{path::PathBuf, process::Stdio};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    cargo::{cargo, root},
    terminal::{now, tell},
};

const BUILD: [&str; 4] = [
    "test",
    "--workspace",
    "--no-run",
    // Cargo prints errors and warnings as usual, and the messages contain everything else.
    "--message-format=json-render-diagnostics",
];

/// One process that runs tests.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Suite {
    /// The package and its target.
    pub(super) title: String,
    pub(super) program: PathBuf,
    pub(super) args: Vec<&'static str>,
    /// The root of the package, where cargo would run the tests.
    pub(super) directory: PathBuf,
    /// Whether it starts control planes, or belongs to the package that does.
    pub(super) is_journey: bool,
}

/// Builds and lists all suites, including the examples in documentation.
pub(crate) fn suites() -> anyhow::Result<Vec<Suite>> {
    let begin = now();
    tell(&format!("build of the tests (cargo {})", BUILD.join(" ")))?;
    let mut build = cargo(&BUILD);
    let output = build.stderr(Stdio::inherit()).output();
    let output = output.context("cannot run cargo")?;
    anyhow::ensure!(output.status.success(), "the tests do not build");
    let messages = String::from_utf8(output.stdout).context("cargo's messages are no text")?;
    let mut suites = Vec::new();
    for line in messages.lines() {
        suites.extend(suite(line).with_context(|| format!("cargo says {line}"))?);
    }
    anyhow::ensure!(!suites.is_empty(), "cargo names no test executable");
    suites.push(doc_tests());
    let elapsed = begin.elapsed().as_secs_f32();
    tell(&format!("build of the tests: passed in {elapsed:.1} s"))?;
    Ok(suites)
}

/// The suite that cargo runs itself, because each example is compiled when it is run.
fn doc_tests() -> Suite {
    Suite {
        title: "doc tests".to_owned(),
        program: cargo(&[]).get_program().into(),
        args: vec!["test", "--workspace", "--doc"],
        directory: root(),
        is_journey: false,
    }
}

/// The suite that a message of cargo describes, if it describes one.
fn suite(message: &str) -> anyhow::Result<Option<Suite>> {
    let message: Value = serde_json::from_str(message)?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return Ok(None);
    }
    let Some(program) = message["executable"].as_str() else {
        return Ok(None);
    };
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let manifest = text(&message["manifest_path"]).map(PathBuf::from);
    let directory = manifest.and_then(|path| Some(path.parent()?.to_owned()));
    let directory = directory.context("it has no manifest")?;
    let package = directory.file_name().context("it has no package")?;
    let package = package.to_string_lossy().into_owned();
    let target = &message["target"];
    let name = text(&target["name"]).context("it has no name")?;
    let kind = text(&target["kind"][0]).context("it is of no kind")?;
    let title = match kind.as_str() {
        "test" => format!("{package} {name}"),
        "lib" => format!("{package} lib"),
        kind => format!("{package} {kind} {name}"),
    };
    Ok(Some(Suite {
        title,
        program: program.into(),
        args: Vec::new(),
        directory,
        is_journey: package == "e2e" && kind == "test",
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(kind: &str, is_test: bool) -> Value {
        json!({
            "reason": "compiler-artifact",
            "manifest_path": "/w/e2e/Cargo.toml",
            "target": {"kind": [kind], "name": "world"},
            "profile": {"test": is_test},
            "executable": "/target/debug/deps/world-0123",
        })
    }

    #[test]
    fn a_test_executable_is_a_suite_in_the_directory_of_its_package() {
        for (kind, title) in [
            ("test", "e2e world"),
            ("lib", "e2e lib"),
            ("bin", "e2e bin world"),
        ] {
            let found = suite(&message(kind, true).to_string()).unwrap().unwrap();
            assert_eq!(found.title, title);
            assert_eq!(
                found.program,
                PathBuf::from("/target/debug/deps/world-0123")
            );
            assert_eq!(found.directory, PathBuf::from("/w/e2e"));
            assert_eq!(found.is_journey, kind == "test");
        }
    }

    #[test]
    fn other_messages_are_none() {
        let program = message("bin", false);
        let mut library = message("lib", true);
        library["executable"] = Value::Null;
        let finished = json!({"reason": "build-finished", "success": true});
        for message in [program, library, finished] {
            assert_eq!(suite(&message.to_string()).unwrap(), None, "{message}");
        }
        assert!(suite("warning: not JSON").is_err());
    }
}
