//! An error and its causes in one line.

use std::error::Error;

/// An error and its sources, the most general first. A source is left out if the text
/// before it already ends with it.
pub fn chain(error: &dyn Error) -> String {
    let mut said = without_links(&error.to_string());
    let mut source = error.source();
    while let Some(error) = source {
        let next = without_links(&error.to_string());
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
    without_links(&root.to_string())
}

/// A text without links to the documentation of a library, which are of no use to whoever reads it.
pub fn without_links(text: &str) -> String {
    const LINK: &str = "https://docs.rs/";
    let mut said = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(LINK) {
        said.push_str(before.trim_end_matches([' ', ':', '(']));
        rest = after.trim_start_matches(|each: char| !each.is_whitespace());
    }
    said + rest
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

    #[test]
    fn no_message_leads_to_the_manual_of_a_library() {
        let eof = "peer closed connection without sending TLS close_notify: \
                   https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof";
        let said = "peer closed connection without sending TLS close_notify";
        assert_eq!(without_links(eof), said);
        assert_eq!(
            without_links(&format!("{eof} (failing)")),
            format!("{said} (failing)")
        );
        assert_eq!(without_links("plain"), "plain");
        assert_eq!(
            chain(&layer("reading", Some(layer("x: https://docs.rs/y", None)))),
            "reading: x"
        );
    }
}
