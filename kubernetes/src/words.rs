//! Words that somebody else chose, such as a managed cluster, made fit for a status, an Event or a
//! terminal.

/// The longest useful text, in characters.
const LONGEST: usize = 512;

/// A text in one line, without what a terminal obeys, no longer than fits a condition or an Event.
pub fn clipped(text: &str) -> String {
    text.chars().take(LONGEST).map(shown).collect()
}

/// A text in one line, without what a terminal obeys.
pub fn plain(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// Lines without what a terminal obeys.
pub fn lines(text: &str) -> String {
    let shown = |each| if each == '\n' { each } else { shown(each) };
    text.chars().map(shown).collect()
}

/// Terminals obey control characters, with which escape sequences begin, and the marks that turn
/// the direction of writing.
fn shown(each: char) -> char {
    match each {
        '\n' | '\r' | '\t' => ' ',
        '\u{061c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        _ if each.is_control() => char::REPLACEMENT_CHARACTER,
        _ => each,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let title = "\u{1b}]0;owned\u{7}\u{1b}[2Jall is well\r\nreally\u{9b}1m\u{202e}txt";
        assert_eq!(
            plain(title),
            "\u{fffd}]0;owned\u{fffd}\u{fffd}[2Jall is well  really\u{fffd}1m\u{fffd}txt"
        );
        assert_eq!(lines("a\tb\n\u{1b}c\n"), "a b\n\u{fffd}c\n");
        assert_eq!(plain("größer, 日本"), "größer, 日本");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clipped("short"), "short");
        assert_eq!(clipped(&"é".repeat(LONGEST + 1)), "é".repeat(LONGEST));
    }
}
