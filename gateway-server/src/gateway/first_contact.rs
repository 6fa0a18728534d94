//! What kubectl asks first: which APIs there are. Of an answer that it cannot use it shows only a text,
//! and that only of a 403 or of a code that it has no words for, such as 502. So a refusal is told in
//! this form there; of a Status, or of a 404 or a 503, kubectl would show words of its own. Pure.

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

use crate::{body::Body, route::GROUP_VERSION_PATH, status::Refused};

/// Whether a request is of that kind.
pub(super) fn is<B>(request: &Request<B>) -> bool {
    let tail = || {
        let path = request.uri().path().strip_prefix(GROUP_VERSION_PATH)?;
        let (_, tail) = path.strip_prefix("/clustergateways/")?.split_once('/')?;
        Some(tail)
    };
    let asks = ["proxy/api", "proxy/apis", "proxy/version"];
    request.method() == Method::GET && tail().is_some_and(|tail| asks.contains(&tail))
}

/// The answer, with a refusal in a form that kubectl shows.
pub(super) fn shown(mut response: Response<Body>) -> Response<Body> {
    let Some(Refused { message, .. }) = response.extensions_mut().remove() else {
        return response;
    };
    // Whoever may retry still may: Retry-After counts with every 5xx.
    let code = match response.status() {
        kept @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => kept,
        _ => StatusCode::BAD_GATEWAY,
    };
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, text);
    *response.body_mut() = Body::Full(message.into());
    response
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::status::Refusal;

    #[test]
    fn only_what_kubectl_asks_a_cluster_first_is_first_contact() {
        let proxy = format!("{GROUP_VERSION_PATH}/clustergateways/managed1/proxy");
        for (method, path, wanted) in [
            (Method::GET, format!("{proxy}/api"), true),
            (Method::GET, format!("{proxy}/apis"), true),
            (Method::GET, format!("{proxy}/version"), true),
            (Method::POST, format!("{proxy}/apis"), false),
            (Method::GET, format!("{proxy}/api/v1"), false),
            (Method::GET, format!("{proxy}/proxy/api"), false),
            (Method::GET, "/apis".to_owned(), false),
        ] {
            let request = Request::builder().method(method).uri(&path);
            assert_eq!(is(&request.body(()).unwrap()), wanted, "{path}");
        }
    }

    async fn told(code: u16) -> (u16, Option<HeaderValue>, String) {
        let code = StatusCode::from_u16(code).unwrap();
        let refusal = Refusal::new(code, "Some", "a sentence\u{7}").retry_after(1);
        let response = shown(refusal.into_response().map(Body::from));
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
        let (code, retry) = (
            response.status().as_u16(),
            response.headers().get(RETRY_AFTER),
        );
        let retry = retry.cloned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, retry, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_refusal_becomes_a_text_under_a_code_of_which_the_text_is_shown() {
        for (code, wanted) in [(403, 403), (401, 401), (404, 502), (429, 502), (503, 502)] {
            let (code, retry, text) = told(code).await;
            assert_eq!((code, retry.is_some()), (wanted, true));
            assert!(text.starts_with("a sentence"), "{text}");
            assert!(!text.contains('\u{7}'), "{text:?}");
        }
    }

    #[test]
    fn what_a_cluster_answers_itself_stays() {
        let mut response = Response::new(Body::Full("{}".into()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        assert_eq!(shown(response).status(), StatusCode::NOT_FOUND);
    }
}
