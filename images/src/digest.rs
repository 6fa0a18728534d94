//! Digests, and the file in which the chart takes those of the images.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of this content in hexadecimal digits.
pub(crate) fn sha256(content: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(content) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Values for the chart with which it runs exactly the images of these digests. Each digest comes
/// with its program.
pub fn chart_values(digests: &[(&str, String)]) -> String {
    let mut values = String::from("images:\n  digests:\n");
    for (program, digest) in digests {
        let _ = writeln!(values, "    {}: {digest}", key(program));
    }
    values
}

/// The name of a program as the chart spells it.
fn key(program: &str) -> String {
    let mut words = program.split('-');
    let mut key = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        key.push_str(&first.to_uppercase());
        key.push_str(rest);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_name_each_program_as_the_chart_does() {
        let digests = crate::PROGRAMS.map(|program| (program, format!("sha256:{program}")));
        assert_eq!(
            chart_values(&digests),
            "images:\n  digests:\n    agent: sha256:agent\n    gatewayServer: sha256:gateway-server\n    \
             operator: sha256:operator\n"
        );
    }

    #[test]
    fn a_digest_has_all_its_digits() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
    }
}
