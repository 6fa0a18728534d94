//! An error and its causes in one line.

use std::error::Error;

/// The longest useful line, in characters.
const LONGEST: usize = 512;

/// An error and its sources, the most general first. A source is left out if the text
/// before it already ends with it.
pub fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !said.ends_with(&next) {
            said.push_str(": ");
            said.push_str(&next);
        }
        source = error.source();
    }
    said
}

/// Shortens a text to the length that fits a log line, a condition or an Event.
pub fn clipped(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clipped("short".to_owned()), "short");
        assert_eq!(clipped("é".repeat(LONGEST + 1)), "é".repeat(LONGEST));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    fn layer(text: &'static str, source: Option<Layer>) -> Layer {
        Layer {
            text,
            source: source.map(Box::new),
        }
    }

    #[test]
    fn causes_follow_and_what_is_said_already_is_not_said_again() {
        let inner = layer("refused", None);
        let middle = layer("cannot connect: refused", Some(inner));
        let outer = layer("cannot list", Some(middle));
        assert_eq!(chain(&outer), "cannot list: cannot connect: refused");
    }
}
