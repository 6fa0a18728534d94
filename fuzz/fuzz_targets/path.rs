//! Any request path: `cargo +nightly fuzz run path`. Its corpus also runs as a test of
//! gateway-server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_server::fuzz::path(bytes));
