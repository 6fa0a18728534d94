//! Any `AccessGrant`s and one caller: `cargo +nightly fuzz run access_grants`. Its corpus also runs as a test of gateway-server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_server::fuzz::grants(bytes));
