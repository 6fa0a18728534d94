//! The WebSocket frames of a client: `cargo +nightly fuzz run tunnel_websocket`. Its corpus also runs as a test of tunnel.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tunnel::fuzz::websocket(bytes);
});
