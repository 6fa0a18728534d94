//! An agent's certificate request: `cargo +nightly fuzz run certificate_request`. Its corpus also runs as a test of operator.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| operator::fuzz::certificate_request(bytes));
