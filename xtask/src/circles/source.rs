//! The modules that one source file declares, and the paths that it names, without its tests.

use super::tokens::{Token, tokens};

/// The parts of a file that concern modules.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Source {
    /// The declared modules that have files of their own.
    pub(super) children: Vec<String>,
    pub(super) imports: Vec<Import>,
    /// The paths in its code that have more than one segment.
    pub(super) paths: Vec<Vec<String>>,
}

/// One name that a `use` imports. `*` stands for all names of a module.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Vec<String>,
    pub(super) is_reexport: bool,
}

impl Source {
    /// Reads a file's text.
    pub(super) fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let mut source = Self::default();
        let mut at = 0;
        let mut is_public = false;
        while let Some(token) = tokens.get(at) {
            if let Some(end) = attribute(&tokens, at) {
                let is_test = gates_a_test(&tokens[at..end]);
                at = if is_test {
                    after_item(&tokens, end)
                } else {
                    end
                };
                continue;
            }
            let public_before = std::mem::replace(&mut is_public, false);
            at = match (token, &tokens[at + 1..]) {
                (Token::Word(word), rest) if word == "pub" => {
                    is_public = true;
                    at + 1
                        + if sign(rest.first()) == Some('(') {
                            closing(rest, 0)
                        } else {
                            0
                        }
                }
                (Token::Word(word), _) if word == "use" => {
                    source.import(&tokens, at + 1, public_before)
                }
                (Token::Word(word), [Token::Word(name), Token::Sign(';'), ..]) if word == "mod" => {
                    source.children.push(name.clone());
                    at + 3
                }
                (Token::Word(_), [Token::Colons, ..]) => source.path(&tokens, at),
                _ => at + 1,
            };
        }
        source
    }

    /// Reads a whole `use` whose tree begins at `at`, and returns where it ends.
    fn import(&mut self, tokens: &[Token], mut at: usize, is_reexport: bool) -> usize {
        let mut found = Vec::new();
        tree(tokens, &mut at, &[], &mut found);
        self.imports
            .extend(found.into_iter().map(|(name, path)| Import {
                name,
                path,
                is_reexport,
            }));
        at + 1
    }

    /// Reads a path that begins at `at`, and returns where it ends.
    fn path(&mut self, tokens: &[Token], mut at: usize) -> usize {
        // This is the rest of `<T as Trait>::NAME::…`, of `$crate::…` or of `::NAME::…`.
        let is_inside = at
            .checked_sub(1)
            .is_some_and(|before| matches!(tokens[before], Token::Colons | Token::Sign('$')));
        let mut path = Vec::new();
        while let Some(Token::Word(word)) = tokens.get(at) {
            path.push(word.clone());
            at += 1;
            if tokens.get(at) != Some(&Token::Colons) {
                break;
            }
            at += 1;
        }
        if !is_inside {
            self.paths.push(path);
        }
        at
    }
}

/// One branch of a `use`.
fn tree(
    tokens: &[Token],
    at: &mut usize,
    prefix: &[String],
    found: &mut Vec<(String, Vec<String>)>,
) {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token {
            Token::Colons => continue,
            Token::Word(word) if word == "self" && !path.is_empty() => {}
            Token::Word(word) => path.push(word.clone()),
            Token::Sign('*') => return found.push(("*".to_owned(), path)),
            Token::Sign('{') => {
                while !matches!(tokens.get(*at), Some(Token::Sign('}')) | None) {
                    tree(tokens, at, &path, found);
                    *at += usize::from(sign(tokens.get(*at)) == Some(','));
                }
                *at += 1;
                return;
            }
            Token::Sign(_) => return,
        }
        if tokens.get(*at) != Some(&Token::Colons) {
            break;
        }
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if let Some([Token::Word(word), Token::Word(alias)]) = tokens.get(*at..*at + 2)
        && word == "as"
    {
        name.clone_from(alias);
        *at += 2;
    }
    found.push((name, path));
}

/// The end of the attribute that begins at `at`.
fn attribute(tokens: &[Token], at: usize) -> Option<usize> {
    let open = match tokens.get(at..)? {
        [Token::Sign('#'), Token::Sign('['), ..] => at + 1,
        [Token::Sign('#'), Token::Sign('!'), Token::Sign('['), ..] => at + 2,
        _ => return None,
    };
    Some(closing(tokens, open))
}

fn gates_a_test(attribute: &[Token]) -> bool {
    let has = |wanted: &str| {
        attribute
            .iter()
            .any(|token| matches!(token, Token::Word(word) if word == wanted))
    };
    has("cfg") && has("test") && !has("not")
}

/// The end of the item that begins at `at`: after its `;` or its braces.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign(';') => return at + 1,
            Token::Sign('{') => return closing(tokens, at),
            Token::Sign('(' | '[') => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// The end of the bracket that opens at `at`.
fn closing(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn sign(token: Option<&Token>) -> Option<char> {
    match token {
        Some(Token::Sign(sign)) => Some(*sign),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(text: &str) -> Vec<String> {
        let source = Source::read(text);
        let shown = source.imports.iter().map(|import| {
            let mark = if import.is_reexport { "pub " } else { "" };
            format!("{mark}{}={}", import.name, import.path.join("::"))
        });
        shown.collect()
    }

    #[test]
    fn a_use_is_read_name_by_name() {
        for (text, expected) in [
            ("use crate::a::B;", &["B=crate::a::B"][..]),
            (
                "pub(crate) use a::{B as C, d::*};",
                &["pub C=a::B", "pub *=a::d"],
            ),
            (
                "use super::{self, x::{y, Z},};",
                &["super=super", "y=super::x::y", "Z=super::x::Z"],
            ),
            ("use a::{b::{self, C}};", &["b=a::b", "C=a::b::C"]),
            ("pub fn f() {} use a::B;", &["B=a::B"]),
        ] {
            assert_eq!(imports(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_and_modules_are_found_and_tests_are_not() {
        let source = Source::read(
            "mod a; #[cfg(test)] mod tests { use super::*; fn f() { crate::b::c() } }
             #[derive(Debug)] struct S; const N: u8 = a::n::<u8>(); <T as U>::v::w();
             #[cfg(test)] use crate::x::Y; #[cfg(not(test))] mod z;",
        );
        assert_eq!(source.children, ["a", "z"]);
        assert_eq!(source.imports, []);
        assert_eq!(source.paths, [["a".to_owned(), "n".to_owned()]]);
    }
}
