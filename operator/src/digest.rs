//! Hashes as numbers and hexadecimal digits. Pure.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A hash of bytes as a number.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    let first = digest.iter().take(8);
    first.fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// A hash of bytes as sixteen hexadecimal digits.
pub(crate) fn digits(bytes: &[u8]) -> String {
    format!("{:016x}", number(bytes))
}

/// A hash of a value as sixteen hexadecimal digits.
pub(crate) fn of(value: &Value) -> String {
    digits(value.to_string().as_bytes())
}
