//! The form of capabilities and replica IDs (protocol.md §3). Pure.

/// True for 1 to 64 bytes of `a-z`, `0-9` and `-`.
pub(crate) fn is_word(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&word.len()) && word.bytes().all(plain)
}
