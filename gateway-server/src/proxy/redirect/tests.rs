use http::{
    Method, Response,
    header::{ACCEPT, SET_COOKIE},
};

use super::*;
use crate::{
    proxy::asked::Follower,
    upstream::{Dialer, Reach},
};

const PREFIX: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy";
const SERVICE: &str = "/api/v1/namespaces/web/services/front:80/proxy";

fn target(base_path: &str) -> Target {
    Target {
        authority: "spoke:6443".parse().unwrap(),
        base_path: base_path.to_owned(),
        dialer: Dialer::Direct {
            host: "spoke".to_owned(),
            port: 6443,
            reach: Reach::Anywhere,
        },
        tls: None,
    }
}

fn asked(tail: &str, method: &Method, accept: &'static str) -> Asked {
    let headers = [(ACCEPT, HeaderValue::from_static(accept))];
    Asked {
        uri: format!("{PREFIX}{tail}").parse().unwrap(),
        tail_length: tail.len(),
        follower: Follower::of(method, &headers.into_iter().collect()),
    }
}

/// What a browser makes of a place (RFC 3986 §5.3), without a query.
fn resolved(from: &str, place: &str) -> String {
    let mut segments: Vec<_> = from.split('/').collect();
    segments.pop();
    let mut last = "";
    for segment in place.split('/') {
        last = segment;
        match segment {
            ".." => drop(segments.pop()),
            "." => {}
            other => segments.push(other),
        }
    }
    if matches!(last, "." | "..") {
        segments.push("");
    }
    segments.join("/")
}

#[test]
fn leads_to_where_the_same_thing_is_behind_the_gateway() {
    let from = format!("{PREFIX}{SERVICE}/a");
    let login = format!("{SERVICE}/login");
    for (base, location, wanted) in [
        ("", login.clone(), login.clone()),
        ("", format!("https://spoke:6443{login}"), login.clone()),
        ("", format!("HTTPS://SPOKE:6443{login}"), login.clone()),
        ("", format!("//spoke:6443{login}"), login.clone()),
        ("", format!("{SERVICE}/a/"), format!("{SERVICE}/a/")),
        ("", format!("{SERVICE}/"), format!("{SERVICE}/")),
        ("", "/".to_owned(), "/".to_owned()),
        ("", "https://spoke:6443".to_owned(), "/".to_owned()),
        ("", "/x:y//z".to_owned(), "/x:y//z".to_owned()),
        ("/k8s/c-1", format!("/k8s/c-1{login}"), login.clone()),
    ] {
        let asked = asked(&format!("{SERVICE}/a"), &Method::GET, "text/html");
        let place = place(&location, &asked, &target(base)).unwrap();
        assert!(!place.starts_with('/'), "{place}");
        let arrived = resolved(&from, &place);
        assert_eq!(arrived, format!("{PREFIX}{wanted}"), "{location} {place}");
    }
}

#[test]
fn queries_fragments_and_other_hosts_stay() {
    let asked = asked(&format!("{SERVICE}/a/b"), &Method::GET, "text/html");
    let place = |location: &str| place(location, &asked, &target("/base"));
    for (location, wanted) in [
        ("next?x=1#y", Some("next?x=1#y")),
        ("?again", Some("?again")),
        (
            "https://idp.example/login?x",
            Some("https://idp.example/login?x"),
        ),
        ("//idp.example/", Some("//idp.example/")),
        ("/elsewhere/on/the/spoke", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
    ] {
        assert_eq!(place(location).as_deref(), wanted, "{location}");
    }
    let with_query = place(&format!("/base{SERVICE}/a/c?x=/../y#z"));
    assert_eq!(with_query.as_deref(), Some("./c?x=/../y#z"));
}

#[test]
fn a_relative_place_is_relative_to_the_slash_that_the_cluster_sees() {
    let asked = asked("", &Method::GET, "text/html");
    let place = place("next", &asked, &target(""));
    assert_eq!(place.as_deref(), Some("./proxy/next"));
}

fn redirected(code: u16, asked: &Asked, location: &str) -> (Parts, Option<String>) {
    let response = Response::builder()
        .status(code)
        .header(LOCATION, location)
        .header(CONTENT_LENGTH, "3")
        .header(SET_COOKIE, "session=1");
    let (mut head, ()) = response.body(()).unwrap().into_parts();
    let body = answer(&mut head, asked, &target(""), &"managed1".parse().unwrap());
    let text = |body: Bytes| String::from_utf8(body.to_vec()).unwrap();
    (head, body.map(text))
}

#[test]
fn a_browser_gets_a_page_that_leads_on_and_its_cookies() {
    for (method, code) in [(Method::GET, 302), (Method::GET, 307), (Method::POST, 303)] {
        let asked = asked("/a/b", &method, "text/html,*/*;q=0.8");
        let (head, body) = redirected(code, &asked, "/a/c?x=1&y=\"><script>");
        assert_eq!(
            (head.status, head.headers.get(LOCATION)),
            (StatusCode::OK, None)
        );
        assert_eq!(head.headers[SET_COOKIE], "session=1");
        assert_eq!(head.headers.get(CONTENT_LENGTH), None);
        let body = body.unwrap();
        let wanted = "content=\"0; url=./c?x=1&amp;y=%22%3E%3Cscript%3E\"";
        assert!(body.contains(wanted), "{body}");
    }
}

#[test]
fn who_takes_no_page_is_told_where_to_go_under_the_same_code() {
    let program = asked("/a/b", &Method::GET, "application/json");
    let upload = asked("/a/b", &Method::POST, "text/html");
    for (asked, code) in [(program, 301), (upload, 307)] {
        let (head, body) = redirected(code, &asked, "/a/c");
        assert_eq!(
            (head.status.as_u16(), head.headers.get(LOCATION)),
            (code, None)
        );
        assert_eq!(head.headers[CONTENT_TYPE], "application/json");
        assert!(body.unwrap().contains("./c"));
    }
}

#[test]
fn what_is_no_redirect_passes() {
    let asked = asked("/a", &Method::GET, "text/html");
    let (head, body) = redirected(201, &asked, "/a/b");
    assert_eq!(
        (&head.headers[LOCATION], body),
        (&"/a/b".parse::<HeaderValue>().unwrap(), None)
    );
    let (mut head, ()) = Response::builder()
        .status(304)
        .body(())
        .unwrap()
        .into_parts();
    let body = answer(&mut head, &asked, &target(""), &"managed1".parse().unwrap());
    assert_eq!(body, None);
}
