//! Copies files out of a pod and into it.

use std::{fs, process::Command, time::Duration};

use crate::stage::{Entrance, Protocol, Stage, WAYS, Way};

const COPIED_WITHIN: Duration = Duration::from_mins(5);

#[tokio::test]
async fn a_hundred_megabytes_are_copied_both_ways() {
    for (number, way) in WAYS.into_iter().enumerate() {
        copies_both_ways(&format!("copy-{number}"), way, 100 << 20).await;
    }
}

#[tokio::test]
async fn a_gigabyte_is_copied_both_ways() {
    copies_both_ways(
        "copy-all",
        Way(Protocol::WebSocket, Entrance::HubApi),
        1 << 30,
    )
    .await;
}

async fn copies_both_ways(pod: &str, way: Way, size: u64) {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod(pod, &["sleep"]).await;
    let inside = async |args: &[&str]| {
        let args = [&["exec", pod, "--", "toolbox"], args].concat();
        let exec = stage.kubectl(&args).timeout(COPIED_WITHIN);
        exec.ok().await.unwrap()
    };
    inside(&["write", "/tmp/there", &size.to_string()]).await;
    let original = inside(&["hash", "/tmp/there"]).await;
    let file = stage.world.directory().join(pod);
    let here = file.display().to_string();
    let copy = async |from: &str, to: &str| {
        let copy = stage.kubectl_by(way, &["cp", from, to]);
        copy.timeout(COPIED_WITHIN).ok().await.unwrap();
    };

    copy(&format!("{pod}:/tmp/there"), &here).await;
    let toolbox = stage.world.programs().path("toolbox");
    let hash = Command::new(toolbox).args(["hash", &here]).output();
    assert_eq!(
        String::from_utf8_lossy(&hash.unwrap().stdout),
        original,
        "{way:?}, out"
    );
    copy(&here, &format!("{pod}:/tmp/back")).await;
    assert_eq!(
        inside(&["hash", "/tmp/back"]).await,
        original,
        "{way:?}, in"
    );
    fs::remove_file(file).unwrap();
    inside(&["write", "/tmp/there", "0"]).await;
    inside(&["write", "/tmp/back", "0"]).await;
}
