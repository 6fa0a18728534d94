//! All that a gateway says on a tunnel: `cargo +nightly fuzz run tunnel_gateway_says`. Its corpus also runs as a test of tunnel.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tunnel::fuzz::gateway_says(bytes);
});
