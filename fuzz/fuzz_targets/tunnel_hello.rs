//! The headers of a hello: `cargo +nightly fuzz run tunnel_hello`. Its corpus also runs as a test of tunnel.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tunnel::fuzz::hello(bytes));
