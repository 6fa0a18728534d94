//! The path and the query of a request as the audit log shows them. Pure.

use std::fmt::Write as _;

/// What is shown of a path.
const LONGEST_PATH: usize = 2048;
/// What is shown of a query.
const LONGEST_QUERY: usize = 1024;
const HIDDEN: &str = "hidden";

/// Parameters of API servers whose values are shown. All others are hidden: `command` may have a
/// password, `continue` is opaque, and a service may take a token.
const SHOWN: [&str; 31] = [
    "allowWatchBookmarks",
    "container",
    "dryRun",
    "fieldManager",
    "fieldSelector",
    "fieldValidation",
    "follow",
    "force",
    "gracePeriodSeconds",
    "labelSelector",
    "limit",
    "limitBytes",
    "orphanDependents",
    "ports",
    "pretty",
    "previous",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "sinceSeconds",
    "sinceTime",
    "stderr",
    "stdin",
    "stdout",
    "stream",
    "tailLines",
    "timeoutSeconds",
    "timestamps",
    "tty",
    "watch",
];

/// The path and the query. If they are `for_others` than API servers, no value of the query is shown.
pub(super) fn shown(path: &str, query: Option<&str>, for_others: bool) -> String {
    let mut shown = cut(path, LONGEST_PATH).to_owned();
    let Some(query) = query else {
        return shown;
    };
    let begin = shown.len();
    for (at, pair) in query.split('&').enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        let is_shown = |key| !for_others && SHOWN.contains(&key);
        let written = match pair.split_once('=') {
            Some((key, _)) if is_shown(key) => write!(shown, "{pair}"),
            Some((key, _)) => write!(shown, "{key}={HIDDEN}"),
            None if is_shown(pair) => write!(shown, "{pair}"),
            None => write!(shown, "{HIDDEN}"),
        };
        written.expect("a String takes everything");
        if shown.len() - begin > LONGEST_QUERY {
            let length = cut(&shown, begin + LONGEST_QUERY).len();
            shown.truncate(length);
            shown.push('…');
            break;
        }
    }
    shown
}

fn cut(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_cannot_be_secrets_are_shown() {
        assert!(SHOWN.is_sorted());
        for (uri, for_others, wanted) in [
            ("/a", false, "/a"),
            ("/a?", false, "/a?hidden"),
            (
                "/a?watch=1&labelSelector=a%3Db&x=1",
                false,
                "/a?watch=1&labelSelector=a%3Db&x=hidden",
            ),
            (
                "/e?command=sh&command=-c&stdin=true",
                false,
                "/e?command=hidden&command=hidden&stdin=true",
            ),
            ("/a?continue=abc", false, "/a?continue=hidden"),
            ("/a?watch", false, "/a?watch"),
            ("/a?eyJhbGciOi", false, "/a?hidden"),
            ("/p?watch=secret", true, "/p?watch=hidden"),
            ("/a?w%61tch=secret", false, "/a?w%61tch=hidden"),
        ] {
            let (path, query) = match uri.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (uri, None),
            };
            assert_eq!(shown(path, query, for_others), wanted);
        }
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let (path, query) = ("ä".repeat(9000), "k=1&".repeat(9000));
        let shown = shown(&path, Some(&query), false);
        assert!(
            shown.len() < LONGEST_PATH + LONGEST_QUERY + 8,
            "{}",
            shown.len()
        );
    }
}
