//! An agent's certificate: `cargo +nightly fuzz run agent_certificate`. Its corpus also runs as a test of gateway-server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_server::fuzz::certificate(bytes));
