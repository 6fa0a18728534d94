//! Any Secret of a cluster: `cargo +nightly fuzz run cluster_secret`. Its corpus also runs as a test of gateway-server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway_server::fuzz::secret(bytes));
