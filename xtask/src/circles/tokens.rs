//! The words and punctuation of Rust source, without comments, literals and lifetimes.

/// One word or punctuation mark.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    Word(String),
    /// `::`
    Colons,
    Sign(char),
}

/// Splits a source text into tokens.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut rest = text;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        rest = if first.is_whitespace() {
            &rest[first.len_utf8()..]
        } else if rest.starts_with("//") {
            after(rest, "\n")
        } else if rest.starts_with("/*") {
            after_block_comment(rest)
        } else if let Some(after) = after_string(rest) {
            tokens.push(Token::Sign('"'));
            after
        } else if first == '\'' {
            after_quote(rest)
        } else if let Some(tail) = rest.strip_prefix("::") {
            tokens.push(Token::Colons);
            tail
        } else if is_word(first) {
            let (word, tail) = word(rest.strip_prefix("r#").unwrap_or(rest));
            tokens.push(Token::Word(word.to_owned()));
            tail
        } else {
            tokens.push(Token::Sign(first));
            &rest[first.len_utf8()..]
        };
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_word(c)).unwrap_or(text.len()))
}

fn after<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, tail)| tail)
}

/// Block comments nest.
fn after_block_comment(text: &str) -> &str {
    let mut rest = &text[2..];
    let mut depth = 1;
    while depth > 0 {
        let (open, close) = (rest.find("/*"), rest.find("*/"));
        let Some(close) = close else { return "" };
        let opens = open.filter(|open| *open < close);
        depth = if opens.is_some() {
            depth + 1
        } else {
            depth - 1
        };
        rest = &rest[opens.unwrap_or(close) + 2..];
    }
    rest
}

/// The text after a string literal of any kind, if the text begins with one.
fn after_string(text: &str) -> Option<&str> {
    let (prefix, tail) = word(text);
    if !["", "b", "br", "c", "cr", "r"].contains(&prefix) {
        return None;
    }
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    let body = tail[hashes..].strip_prefix('"')?;
    if prefix.ends_with('r') {
        return Some(after(body, &format!("\"{}", "#".repeat(hashes))));
    }
    (hashes == 0).then(|| after_escaped(body, '"'))
}

/// The text after a character literal or a lifetime.
fn after_quote(text: &str) -> &str {
    let body = &text[1..];
    let mut characters = body.chars();
    match (characters.next(), characters.next()) {
        (Some('\\'), _) | (_, Some('\'')) => after_escaped(body, '\''),
        _ => word(body).1,
    }
}

fn after_escaped(text: &str, end: char) -> &str {
    let mut escaped = false;
    let close = text.find(|c| {
        let ends = c == end && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    close.map_or("", |close| &text[close + end.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_and_signs_remain() {
        for (text, expected) in [
            ("use a::b; // c::d", "use a :: b ;"),
            ("/* x /* y */ z */ a", "a"),
            (r#"f("crate::a \" b", 'c', '\'')"#, "f ( \" , , )"),
            (r##"r#"a " b"# c"##, "\" c"),
            ("r#type::b\"x\"", "type :: \""),
            ("&'a str<'_>", "& str < >"),
            ("'\\\\' x", "x"),
        ] {
            let tokens = tokens(text);
            let words: Vec<_> = tokens
                .iter()
                .map(|token| match token {
                    Token::Word(word) => word.clone(),
                    Token::Colons => "::".to_owned(),
                    Token::Sign(sign) => sign.to_string(),
                })
                .collect();
            assert_eq!(words.join(" "), expected, "{text}");
        }
    }
}
