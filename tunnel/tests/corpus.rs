//! The corpus of the fuzz targets, as ordinary tests.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::path::{Path, PathBuf};

use tunnel::fuzz;

/// How many variants of each file are tried too. A fuzzer finds more of them.
const CHANGES: usize = 16;

/// Replaces one byte or cuts the rest off. The same number always gives the same change.
fn changed(bytes: &[u8], change: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let place = change * 7919 % bytes.len().max(1);
    if change.is_multiple_of(8) {
        bytes.truncate(place);
    } else if let Some(byte) = bytes.get_mut(place) {
        *byte ^= [1, 4, 0x80, 0xff][change % 4];
    }
    bytes
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(corpus().join(name)).unwrap()
}

fn run(target: &str, one: fn(&[u8])) {
    let mut seen = 0;
    for entry in std::fs::read_dir(corpus().join(target)).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        one(&bytes);
        for change in 0..CHANGES {
            one(&changed(&bytes, change));
        }
        seen += 1;
    }
    assert!(seen > 10, "the corpus of {target} has {seen} files");
}

#[test]
fn any_hello_is_read_or_refused() {
    run("tunnel_hello", fuzz::hello);
}

#[test]
fn any_authority_is_a_target_or_refused() {
    run("tunnel_target", fuzz::target);
}

#[test]
fn any_answer_to_a_connect_is_some_refusal() {
    run("tunnel_refusal", fuzz::refusal);
}

#[test]
fn whatever_an_agent_says_nothing_stays_charged() {
    assert!(fuzz::agent_says(&file("tunnel_agent_says/pipe")));
    run("tunnel_agent_says", |bytes| _ = fuzz::agent_says(bytes));
}

#[test]
fn whatever_a_gateway_says_nothing_stays_charged() {
    assert!(fuzz::gateway_says(&file("tunnel_gateway_says/pipe")));
    run("tunnel_gateway_says", |bytes| _ = fuzz::gateway_says(bytes));
}

#[test]
fn frames_of_a_websocket_mean_the_same_however_they_arrive() {
    assert_eq!(fuzz::websocket(&file("tunnel_websocket/stream")), 5);
    run("tunnel_websocket", |bytes| _ = fuzz::websocket(bytes));
}
