//! What both ends say in the HTTP request that is upgraded (RFC 6455 §4). Pure.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderName;

/// The value of `Sec-WebSocket-Version`.
pub const VERSION: &str = "13";
/// The value of `Sec-WebSocket-Protocol`: the bytes are those of a tunnel.
pub const SUBPROTOCOL: &str = crate::PROTOCOL;
/// The header in which an agent says why it comes by WebSocket (protocol.md §1.4).
pub const BECAUSE: HeaderName = HeaderName::from_static("spokeway-websocket-because");

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`. It proves that the server
/// has understood the request, and nothing else.
pub fn accept(key: &[u8]) -> String {
    let proof = [key, GUID.as_bytes()].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &proof))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
