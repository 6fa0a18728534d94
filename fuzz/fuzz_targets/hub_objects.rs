//! Any objects of the hub: `cargo +nightly fuzz run hub_objects`. Its corpus also runs as a test of operator.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| operator::fuzz::objects(bytes));
