//! The authority of a CONNECT: `cargo +nightly fuzz run tunnel_target`. Its corpus also runs as a test of tunnel.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tunnel::fuzz::target(bytes));
