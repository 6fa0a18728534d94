//! The headers that name a caller: `cargo +nightly fuzz run caller`. Its corpus also runs as a test of gateway-server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_server::fuzz::caller(bytes));
