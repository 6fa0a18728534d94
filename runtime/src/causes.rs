//! An error and its causes in one line.

use std::error::Error;

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

/// What is at the bottom of an error, such as "Connection refused". The layers above it often say no
/// more than that something has failed.
pub fn root(error: &dyn Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(root(&outer), "refused");
    }
}
