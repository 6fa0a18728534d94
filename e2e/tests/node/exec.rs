//! exec into a pod: streams, exit codes, terminals, bulk.

use std::{io::Write as _, thread, time::Duration};

use e2e::{
    Kubectl,
    kubectl::{COLUMNS, ROWS},
};

use crate::stage::{Stage, WAYS, Way};

/// The number of lines that make a hundred megabytes.
const LINES: usize = 1600;
const LINE: usize = 64 << 10;
const LINE_WITHIN: Duration = Duration::from_secs(20);

impl Stage {
    fn exec(&self, way: Way, flags: &[&str], command: &[&str]) -> Kubectl {
        let args = [&["exec"], flags, &["--"], command].concat();
        self.kubectl_by(way, &args)
    }
}

#[tokio::test]
async fn both_outputs_and_the_exit_code_come_back() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("exec-plain", &["sleep"]).await;
    for way in WAYS {
        let exec = |command: &[&str]| stage.exec(way, &["exec-plain"], command).run();
        let said = exec(&["echo", "hello", "there"]).await.unwrap();
        assert_eq!(
            (said.stdout.as_str(), said.stderr.as_str()),
            ("hello there\n", "")
        );
        let said = exec(&["toolbox", "warn", "mind", "the", "gap"])
            .await
            .unwrap();
        assert_eq!(
            (said.stdout.as_str(), said.stderr.as_str()),
            ("", "mind the gap\n")
        );
        for (argument, status) in [("0", 0), ("1", 1), ("42", 42)] {
            let ended = exec(&["toolbox", "exit", argument]).await.unwrap();
            assert_eq!(ended.status.code(), Some(status), "{way:?}: {ended}");
        }
        let no_such = exec(&["no-such-program"]).await.unwrap();
        assert!(!no_such.status.success(), "{way:?}: {no_such}");
        assert!(
            no_such.stderr.contains("no-such-program"),
            "{way:?}: {no_such}"
        );
    }
}

#[tokio::test]
async fn a_shell_is_typed_into_line_by_line() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("exec-shell", &["sleep"]).await;
    for way in WAYS {
        let mut shell = stage
            .exec(way, &["-i", "exec-shell"], &["sh"])
            .spawn()
            .unwrap();
        for word in ["one", "two"] {
            shell.write(format!("echo {word}\n").as_bytes()).unwrap();
            let line = shell.line(LINE_WITHIN).await.unwrap();
            assert_eq!(line.as_deref(), Some(word), "{way:?}");
        }
        shell.write(b"exit 7\n").unwrap();
        let ended = shell.wait().await;
        assert_eq!(ended.status.code(), Some(7), "{way:?}: {ended}");
    }
}

#[tokio::test]
async fn a_terminal_has_its_size_and_its_exit_code() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("exec-terminal", &["sleep"]).await;
    let size = format!("a tty of {COLUMNS} columns and {ROWS} rows");
    for way in WAYS {
        let shell = stage.exec(way, &["-it", "exec-terminal"], &["sh"]);
        let mut shell = shell.on_terminal().spawn().unwrap();
        // kubectl sends the size in a message of its own, after the command.
        loop {
            shell.write(b"tty\n").unwrap();
            let line = shell
                .line_with("a tty of", LINE_WITHIN)
                .await
                .unwrap()
                .unwrap();
            if line.contains(&size) {
                break;
            }
        }
        shell.write(b"exit 9\n").unwrap();
        let ended = shell.wait().await;
        assert_eq!(ended.status.code(), Some(9), "{way:?}: {ended}");
    }
}

/// stdin stays open until all output is back, because after the end of a command Kubernetes itself
/// drops what a client that pings has not read yet.
#[tokio::test]
async fn a_hundred_megabytes_go_in_and_come_out_whole() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("exec-bulk", &["sleep"]).await;
    for way in WAYS {
        let mut cat = stage
            .exec(way, &["-i", "exec-bulk"], &["cat"])
            .spawn()
            .unwrap();
        let mut stdin = cat.take_stdin().unwrap();
        let writer = thread::spawn(move || {
            for number in 0..LINES {
                stdin.write_all(line(number).as_bytes()).unwrap();
                stdin.write_all(b"\n").unwrap();
            }
            stdin
        });
        for number in 0..LINES {
            let copy = cat.line(LINE_WITHIN).await.unwrap();
            assert!(copy == Some(line(number)), "{way:?}: not line {number}");
        }
        drop(writer.join().unwrap());
        let ended = cat.wait().await;
        assert!(ended.status.success(), "{way:?}: {ended}");
        assert_eq!(ended.stdout, "", "{way:?}");
    }
}

/// A line that has the same length as all others, but is different from all others.
fn line(number: usize) -> String {
    format!("{number:0width$}", width = LINE - 1)
}
