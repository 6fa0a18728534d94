//! Valid and invalid selectors, as users of kubectl write them.

use super::*;

fn chooses(selector: &str) -> bool {
    let labels = [
        ("env", "prod"),
        ("tier", ""),
        ("shard", "7"),
        ("example.com/in", "in"),
    ];
    let labels = labels
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let requirements = parse(selector).unwrap_or_else(|fault| panic!("{selector}: {fault}"));
    requirements
        .iter()
        .all(|requirement| requirement.matches(&labels))
}

#[test]
fn requirements_are_met_or_not() {
    let met = [
        "",
        " ",
        "env=prod",
        "env==prod",
        " env = prod ",
        "env!=test",
        "absent!=x",
        "env",
        "!absent",
        "! absent",
        "env in (test,prod)",
        "env in ( test , prod )",
        "env notin (test)",
        "env notin(test)",
        "absent notin (x)",
        "tier=",
        "tier=,env=prod",
        "tier in ()",
        "tier in (,a)",
        "tier in (a,)",
        "shard>6",
        "shard<8",
        "example.com/in",
        "example.com/in=in",
        "example.com/in in (in,notin)",
        "env=prod,tier,!absent,shard>6",
    ];
    for selector in met {
        assert!(chooses(selector), "{selector}");
    }
    let unmet = [
        "env=test",
        "absent=x",
        "absent",
        "!env",
        "env in (test)",
        "env notin (prod)",
        "shard>7",
        "shard<7",
        "env>1",
        "absent<1",
        "in",
        "tier!=",
        "env=prod,absent",
    ];
    for selector in unmet {
        assert!(!chooses(selector), "{selector}");
    }
}

#[test]
fn faults_are_named() {
    let long = "a".repeat(64);
    let cases = [
        ("=prod", r#"found "=", expected a label key or '!'"#),
        (",", r#"found ",", expected a label key or '!'"#),
        ("env=prod,", r#"found "", expected a label key or '!'"#),
        (
            "env prod",
            r#"found "prod", expected '=', '==', '!=', 'in', 'notin', '>' or '<'"#,
        ),
        ("env=prod tier", r#"found "tier", expected ',' or the end"#),
        ("!env=prod", r#"found "=", expected ',' or the end"#),
        ("env===prod", r#"found "=", expected a label value"#),
        ("env in prod", r#"found "prod", expected '('"#),
        ("env in (a", r#"found "", expected ',' or ')'"#),
        ("env in (a b)", r#"found "b", expected ',' or ')'"#),
        ("env in (", r#"found "", expected ',' or ')'"#),
        ("-env", r#""-env" is not a label key"#),
        ("a/b/c", r#""a/b/c" is not a label key"#),
        ("/b", r#""/b" is not a label key"#),
        ("env=-x", r#""-x" is not a label value"#),
        ("env=é", r#""é" is not a label value"#),
        ("shard>x", r#""x" is not an integer"#),
        (&long, &format!("{long:?} is not a label key")),
    ];
    for (selector, message) in cases {
        assert_eq!(
            parse(selector).unwrap_err().to_string(),
            message,
            "{selector}"
        );
    }
}
