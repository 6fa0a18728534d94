//! All that an agent says on a tunnel: `cargo +nightly fuzz run tunnel_agent_says`. Its corpus also runs as a test of tunnel.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tunnel::fuzz::agent_says(bytes);
});
