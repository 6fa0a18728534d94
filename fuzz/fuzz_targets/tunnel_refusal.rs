//! An answer to a CONNECT: `cargo +nightly fuzz run tunnel_refusal`. Its corpus also runs as a test of tunnel.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tunnel::fuzz::refusal(bytes));
