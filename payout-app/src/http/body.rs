//! A body: bounded in its size and its time, and JSON by its own account.
//!
//! It is received once the route's access has let the request in, and read by the handler.

use std::time::Duration;

use futures::StreamExt;
use salvo::Request;
use salvo::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use salvo::http::{Method, ReqBody};
use tokio::time::timeout;

use super::problem::{Kind, Problem};

/// Of a body over the limit this much is read and thrown away: a client that is still writing when its connection is
/// closed may never see the answer.
const DRAINED: usize = 2 * 1024 * 1024;

/// Receives the whole body, and keeps it in the request.
///
/// # Errors
/// 413 over the limit, 408 when it takes too long, 400 when it breaks off.
pub(super) async fn receive(request: &mut Request, limit: usize, within: Duration) -> Result<(), Problem> {
    // What comes with a method that has no body is nobody's.
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
        // A client that waits for "100 Continue" has sent nothing yet, and need not.
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

/// The body that was received.
///
/// # Errors
/// 415 unless it is empty or says that it is JSON.
pub(crate) fn read(request: &mut Request) -> Result<Vec<u8>, Problem> {
    let body = match request.take_body() {
        ReqBody::None => return Ok(Vec::new()),
        ReqBody::Once(body) => Vec::from(body),
        ReqBody::Hyper { .. } | ReqBody::Boxed { .. } | _ => {
            return Err(Problem::internal("a body that was not received".into()));
        }
    };
    if !body.is_empty() && !says_json(request) {
        let detail = "Send JSON, with `Content-Type: application/json`.";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    Ok(body)
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

/// `application/json`, or a media type built upon it (`application/merge-patch+json`), in UTF-8.
fn says_json(request: &Request) -> bool {
    let Some(value) = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = essence == "application/json"
        || essence
            .strip_prefix("application/")
            .is_some_and(|subtype| subtype.ends_with("+json"));
    let utf8 = parts
        .filter_map(|part| part.split_once('='))
        .all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        });
    json && utf8
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert!(says(taken), "{taken}");
        }
        for refused in [
            "text/plain",
            "application/jsonp",
            "text/json+json",
            "application/json; charset=latin1",
            "",
        ] {
            assert!(!says(refused), "{refused}");
        }
        assert!(!says_json(&Request::new()));
    }
}
