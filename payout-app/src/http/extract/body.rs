//! Request bodies: limited in size and time, and declared to be JSON.
//!
//! A body is received once the route's access check has passed, and read by the handler.

use std::time::Duration;

use futures::StreamExt;
use mime::Mime;
use salvo::Request;
use salvo::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use salvo::http::{Method, ReqBody};
use tokio::time::timeout;

use crate::http::problem::{Kind, Problem};

/// The maximum number of bytes of an oversized body that are read and discarded. A client that is still writing when
/// its connection is closed may never see the answer.
const DRAINED: usize = 2 * 1024 * 1024;

/// Receives the whole body, and keeps it in the request.
///
/// # Errors
/// 413 over the limit, 408 when it takes too long, 400 when it breaks off.
pub(crate) async fn receive(request: &mut Request, limit: usize, within: Duration) -> Result<(), Problem> {
    // A body of a method that has none is ignored.
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) || request.body().is_none() {
        return Ok(());
    }
    let body = timeout(within, all(request, limit)).await.map_err(|_| {
        let detail = format!("A body must be there within {} ms.", within.as_millis());
        Problem::new(Kind::BodyTooSlow, detail)
    })??;
    request.replace_body(ReqBody::Once(body.into()));
    Ok(())
}

async fn all(request: &mut Request, limit: usize) -> Result<Vec<u8>, Problem> {
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > limit) {
        // A client that waits for "100 Continue" has not sent the body, and need not.
        if !request.headers().contains_key(EXPECT) {
            drain(request).await;
        }
        return Err(too_large(limit));
    }
    let mut body = Vec::with_capacity(declared.unwrap_or(0));
    let mut frames = request.take_body();
    while let Some(frame) = frames.next().await {
        let frame =
            frame.map_err(|_| Problem::new(Kind::MalformedBody, "The body broke off before its end."))?;
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > limit {
            request.replace_body(frames);
            drain(request).await;
            return Err(too_large(limit));
        }
        body.extend_from_slice(&data);
    }
    Ok(body)
}

/// Returns the received body.
///
/// # Errors
/// 415 unless it is empty or declared to be JSON.
pub(crate) fn read(request: &mut Request) -> Result<Vec<u8>, Problem> {
    let body = raw(request)?;
    if !body.is_empty() && is_encoded(request) {
        let detail = "Send the body as it is, without a `Content-Encoding`.";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail).accepting_no_encoding());
    }
    if !body.is_empty() && !says_json(request) {
        let detail = "Send JSON, with `Content-Type: application/json`.";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    Ok(body)
}

/// Returns the received body, whatever its format.
///
/// # Errors
/// 500 when the route's policy has no body.
pub(crate) fn raw(request: &mut Request) -> Result<Vec<u8>, Problem> {
    match request.take_body() {
        ReqBody::None => Ok(Vec::new()),
        ReqBody::Once(body) => Ok(Vec::from(body)),
        ReqBody::Hyper { .. } | ReqBody::Boxed { .. } | _ => {
            Err(Problem::internal("a body that was not received".into()))
        }
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("A body may have {limit} bytes."))
}

async fn drain(request: &mut Request) {
    let mut frames = request.take_body();
    let mut drained = 0;
    while let Some(Ok(frame)) = frames.next().await {
        drained += frame.data_ref().map_or(0, |data| data.len());
        if drained > DRAINED {
            break;
        }
    }
}

/// Returns whether one `Content-Type` declares `application/json`, or a media type based on it
/// (`application/merge-patch+json`), in UTF-8.
fn says_json(request: &Request) -> bool {
    media_type(request).is_some_and(|media_type| is_json(&media_type))
}

/// Returns the media type of the body, if exactly one `Content-Type` declares it.
pub(super) fn media_type(request: &Request) -> Option<Mime> {
    let mut lines = request.headers().get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    // Parameters may end with a semicolon (RFC 9110 §5.6.6).
    let text = line
        .to_str()
        .unwrap_or_default()
        .trim_end_matches([' ', '\t', ';']);
    without_space_before_semicolons(text).parse().ok()
}

/// Returns whether the body is declared to be of this type.
pub(crate) fn is_of_type(request: &Request, essence: &str) -> bool {
    media_type(request).is_some_and(|media_type| media_type.essence_str() == essence)
}

/// Returns whether a media type is JSON in UTF-8.
pub(super) fn is_json(media_type: &Mime) -> bool {
    let json = media_type.subtype() == mime::JSON || media_type.suffix() == Some(mime::JSON);
    let utf8 = media_type
        .params()
        .filter(|(name, _)| *name == mime::CHARSET)
        .all(|(_, charset)| {
            ["utf-8", "utf8"]
                .iter()
                .any(|utf8| charset.as_str().eq_ignore_ascii_case(utf8))
        });
    media_type.type_() == mime::APPLICATION && json && utf8
}

/// Removes white space before the semicolons of parameters, which RFC 9110 §5.6.6 allows and the parser refuses.
fn without_space_before_semicolons(text: &str) -> String {
    let mut shortened = String::with_capacity(text.len());
    let mut is_quoted = false;
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => shortened.truncate(shortened.trim_end_matches([' ', '\t']).len()),
            _ => (),
        }
        shortened.push(c);
    }
    shortened
}

/// Returns whether the body has a content coding other than the identity. It is not decoded: a few bytes could expand
/// to very many.
pub(super) fn is_encoded(request: &Request) -> bool {
    let lines = request.headers().get_all(CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.to_str().unwrap_or("?").split(','));
    codings.any(|coding| {
        let coding = coding.trim();
        !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_identity_is_no_encoding() {
        let encoded = |values: &[&str]| {
            let mut request = Request::new();
            for value in values {
                request
                    .headers_mut()
                    .append(CONTENT_ENCODING, value.parse().unwrap());
            }
            is_encoded(&request)
        };
        for taken in [
            &[][..],
            &["identity"],
            &["Identity, identity"],
            &[""],
            &["identity", "identity"],
        ] {
            assert!(!encoded(taken), "{taken:?}");
        }
        for refused in [&["gzip"][..], &["identity, br"], &["identity", "GZIP"], &["x"]] {
            assert!(encoded(refused), "{refused:?}");
        }
    }

    fn says(content_type: &str) -> bool {
        let mut request = Request::new();
        request
            .headers_mut()
            .insert(CONTENT_TYPE, content_type.parse().unwrap());
        says_json(&request)
    }

    #[test]
    fn json_and_what_is_built_upon_it_is_taken() {
        for taken in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/merge-patch+json",
            "application/json;charset=\"utf-8\"",
            "application/json; charset=utf8",
            "application/json;charset=\"UTF8\"",
            "application/json ; version=1; charset=utf-8",
            "application/json;",
        ] {
            assert!(says(taken), "{taken}");
        }
        for refused in [
            "text/plain",
            "application/jsonp",
            "text/json+json",
            "application/json; charset=latin1",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json; charset=",
            "application/json; charset",
            "application/json, application/json",
            "application/x;type=application/json",
            "json",
            "",
        ] {
            assert!(!says(refused), "{refused}");
        }
        assert!(!says_json(&Request::new()));
        let mut twice = Request::new();
        for _ in 0..2 {
            twice
                .headers_mut()
                .append(CONTENT_TYPE, "application/json".parse().unwrap());
        }
        assert!(!says_json(&twice));
    }
}
