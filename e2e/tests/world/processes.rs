//! Supervision, tested on very small programs.

use std::{path::Path, time::Duration};

use e2e::process::{Process, Spec};

fn script(directory: &Path, text: &str) -> Process {
    Process::start(Spec {
        name: "a script".to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), text.to_owned()],
        env: vec![("GREETING".to_owned(), "hello".to_owned())],
        directory: directory.to_owned(),
        log: directory.join("script.log"),
    })
    .unwrap()
}

#[tokio::test]
async fn an_early_end_names_the_program_its_status_and_its_last_words() {
    let directory = tempfile::tempdir().unwrap();
    let process = script(
        directory.path(),
        "echo $GREETING; echo cannot bind >&2; exit 3",
    );
    let probe = || async { Err::<(), _>("refused") };
    let error = process
        .ready(Duration::from_secs(10), probe)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "a script ended with exit status: 3 before it was ready; its log ends with\n\
         hello\ncannot bind"
    );
}

#[tokio::test]
async fn a_deadline_says_what_the_last_probe_saw() {
    let directory = tempfile::tempdir().unwrap();
    let process = script(directory.path(), "exec sleep 60");
    let probe = || async { Err::<(), _>("refused") };
    let error = process
        .ready(Duration::from_millis(100), probe)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("a script not ready within 100ms (refused)"),
        "{error}"
    );
}

#[tokio::test]
async fn stop_is_graceful_where_the_program_is() {
    let directory = tempfile::tempdir().unwrap();
    let process = script(
        directory.path(),
        "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
    );
    let up = || async {
        if process.tail(1).as_str() == "up" {
            Ok(())
        } else {
            Err("not yet")
        }
    };
    process.ready(Duration::from_secs(10), up).await.unwrap();
    process.pause();
    assert!(process.stop(Duration::from_secs(10)).await.success());
    assert_eq!(process.tail(1).as_str(), "bye");
    process.restart().unwrap();
    assert!(process.pid().is_some());
}

#[tokio::test]
async fn stop_kills_what_does_not_listen() {
    let directory = tempfile::tempdir().unwrap();
    let process = script(
        directory.path(),
        "trap '' TERM; echo up; while :; do sleep 0.05; done",
    );
    let up = || async {
        if process.tail(1).as_str() == "up" {
            Ok(())
        } else {
            Err("not yet")
        }
    };
    process.ready(Duration::from_secs(10), up).await.unwrap();
    assert_eq!(process.stop(Duration::from_millis(100)).await.code(), None);
}
