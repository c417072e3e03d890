//! Reads a body: bounded, and JSON by its own account.

use futures::StreamExt;
use salvo::Request;
use salvo::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};

use super::problem::{Kind, Problem};

/// The most bytes of a body.
pub(crate) const LIMIT: usize = 64 * 1024;
/// Of a body over the limit this much is read and thrown away: a client that is still writing when its connection is
/// closed may never see the answer.
const DRAINED: usize = 2 * 1024 * 1024;

/// Reads the whole body.
///
/// # Errors
/// 413 over the limit, 415 unless it says that it is JSON, 400 when it breaks off.
pub(crate) async fn read(request: &mut Request) -> Result<Vec<u8>, Problem> {
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > LIMIT) {
        // A client that waits for "100 Continue" has sent nothing yet, and need not.
        if !request.headers().contains_key(EXPECT) {
            drain(request).await;
        }
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(declared.unwrap_or(0));
    let mut frames = request.take_body();
    while let Some(frame) = frames.next().await {
        let frame =
            frame.map_err(|_| Problem::new(Kind::MalformedBody, "The body broke off before its end."))?;
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > LIMIT {
            request.replace_body(frames);
            drain(request).await;
            return Err(too_large());
        }
        body.extend_from_slice(&data);
    }
    if !body.is_empty() && !says_json(request) {
        let detail = "Send JSON, with `Content-Type: application/json`.";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    Ok(body)
}

fn too_large() -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("A body may have {LIMIT} bytes."))
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
