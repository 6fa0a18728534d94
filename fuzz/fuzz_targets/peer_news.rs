//! Whatever another replica tells: `cargo +nightly fuzz run peer_news`. Its corpus also runs as a test of
//! gateway-server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_server::fuzz::news(bytes));
