//! Numbers and digits that stand for bytes. Pure.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A number that stands for bytes.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    let first = digest.iter().take(8);
    first.fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// Sixteen digits that stand for bytes.
pub(crate) fn digits(bytes: &[u8]) -> String {
    format!("{:016x}", number(bytes))
}

/// Sixteen digits that stand for a value.
pub(crate) fn of(value: &Value) -> String {
    digits(value.to_string().as_bytes())
}
