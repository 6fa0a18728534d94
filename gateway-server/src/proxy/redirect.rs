//! Redirects of a managed cluster, and of services behind its proxy. They lead to where the caller
//! finds the same thing behind the gateway. The hub's API server passes no redirect of an aggregated
//! API server on (`--aggregator-reject-forwarding-redirect`), so a browser gets a page that leads
//! on, and a program is told where to go. Pure.

use bytes::Bytes;
use crds::ClusterName;
use http::{
    HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED,
        LOCATION,
    },
    response::Parts,
};

use super::asked::Asked;
use crate::{status::Refusal, upstream::Target};

/// The body to answer with instead of the managed cluster's, if it redirects the caller. Changes the
/// head accordingly.
pub(super) fn answer(
    head: &mut Parts,
    asked: &Asked,
    target: &Target,
    cluster: &ClusterName,
) -> Option<Bytes> {
    if !head.status.is_redirection() {
        return None;
    }
    let location = head.headers.remove(LOCATION)?;
    for stale in [CONTENT_ENCODING, CONTENT_LENGTH, ETAG, LAST_MODIFIED] {
        head.headers.remove(stale);
    }
    let place = location
        .to_str()
        .ok()
        .and_then(|it| place(it, asked, target));
    match place {
        Some(place) if asked.follower.takes_page(head.status) => {
            head.status = StatusCode::OK;
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            head.headers.insert(CONTENT_TYPE, html);
            let fresh = HeaderValue::from_static("no-cache, private");
            head.headers.insert(CACHE_CONTROL, fresh);
            Some(page(&place).into())
        }
        place => {
            let place =
                place.unwrap_or_else(|| String::from_utf8_lossy(location.as_bytes()).into());
            let told = told(head.status, &place, cluster).into_response();
            let (refusal, body) = told.into_parts();
            head.headers.extend(refusal.headers);
            Some(body)
        }
    }
}

fn told(code: StatusCode, place: &str, cluster: &ClusterName) -> Refusal {
    let message = format!(
        "managed cluster {:?}: it redirects this request to {place:?}, seen from the path of the \
         request; send it there, because the hub passes no redirects on",
        cluster.as_str()
    );
    Refusal::new(code, "Redirect", message).of_cluster(cluster)
}

/// Where the location leads to from the path of the request; `None` if the gateway has no such place,
/// or nobody should go there.
fn place(location: &str, asked: &Asked, target: &Target) -> Option<String> {
    let tail = match split(location)? {
        // The managed cluster sees a slash that the caller's path does not have.
        Location::Relative if asked.tail_length == 0 => location,
        Location::Path(path) => path.strip_prefix(target.base_path.as_str())?,
        Location::Authority { authority, rest } if is(authority, target) => {
            rest.strip_prefix(target.base_path.as_str())?
        }
        Location::Relative | Location::Authority { .. } => return Some(location.to_owned()),
    };
    let slash = if tail.starts_with('/') { "" } else { "/" };
    let (path, prefix) = (asked.uri.path(), asked.prefix());
    Some(relative(path, &format!("{prefix}{slash}{tail}")))
}

/// What a location begins with (RFC 3986 §4.2).
enum Location<'a> {
    Relative,
    Path(&'a str),
    Authority { authority: &'a str, rest: &'a str },
}

/// `None` for schemes that are not the web's, such as `javascript`.
fn split(location: &str) -> Option<Location<'_>> {
    let end = location.find(['/', '?', '#']).unwrap_or(location.len());
    let rest = match location[..end].split_once(':') {
        Some((scheme, "")) => {
            let is_web = ["http", "https"]
                .iter()
                .any(|it| scheme.eq_ignore_ascii_case(it));
            is_web.then_some(&location[end..])?
        }
        Some(_) => return None,
        None => location,
    };
    if let Some(rest) = rest.strip_prefix("//") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        return Some(Location::Authority { authority, rest });
    }
    Some(if rest.starts_with('/') {
        Location::Path(rest)
    } else {
        Location::Relative
    })
}

/// Whether the target is named, with or without the usual port.
fn is(authority: &str, target: &Target) -> bool {
    let known = target.authority.as_str();
    let bare = |it: &str| {
        let host = it.strip_suffix(":443").or_else(|| it.strip_suffix(":80"));
        host.unwrap_or(it).to_ascii_lowercase()
    };
    bare(authority) == bare(known)
}

/// How to get to `to` from `from`. A relative way stays right if the hub itself is behind a proxy
/// that serves it under another path.
fn relative(from: &str, to: &str) -> String {
    let end = to.find(['?', '#']).unwrap_or(to.len());
    let (path, rest) = to.split_at(end);
    let from: Vec<_> = from.split('/').collect();
    let to: Vec<_> = path.split('/').collect();
    let most = from.len().min(to.len()) - 1;
    let common = (0..most).take_while(|at| from[*at] == to[*at]).count();
    let up = from.len() - 1 - common;
    let here = if up == 0 { "./" } else { "" };
    let (up, down) = ("../".repeat(up), to[common..].join("/"));
    format!("{here}{up}{down}{rest}")
}

/// A page that leads on by itself.
fn page(place: &str) -> String {
    let place = escaped(place);
    format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0; \
         url={place}\"><title>Redirect</title><a href=\"{place}\">{place}</a>\n"
    )
}

/// The same place, with nothing that means something in HTML.
fn escaped(place: &str) -> String {
    let mut escaped = String::with_capacity(place.len());
    for character in place.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("%22"),
            '\'' => escaped.push_str("%27"),
            '<' => escaped.push_str("%3C"),
            '>' => escaped.push_str("%3E"),
            ' ' => escaped.push_str("%20"),
            '\t' => escaped.push_str("%09"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
