//! What a caller's connection begins with: `cargo +nightly fuzz run connection`. Its corpus also runs as a
//! test of gateway-server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_server::fuzz::connection(bytes));
