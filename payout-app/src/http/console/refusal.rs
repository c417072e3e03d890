//! Refusals as pages: whatever layer refuses a request for a page of the console, the person sees what happened and what
//! to do.

use askama::Template;
use salvo::http::header::CONTENT_TYPE;
use salvo::http::{ResBody, StatusCode};
use salvo::{Request, Response};
use serde::Deserialize;

use super::assets::{ASSETS, Assets};
use super::cookies::Theme;
use super::html;
use crate::http::problem::PROBLEM_JSON;

/// A problem, as the layers below write it.
#[derive(Deserialize)]
struct Written {
    title: String,
    detail: String,
    #[serde(default)]
    errors: std::collections::BTreeMap<String, Vec<String>>,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    assets: &'static Assets,
    theme: &'static str,
    status: u16,
    title: &'a str,
    detail: &'a str,
    errors: Vec<(&'a str, &'a str)>,
    advice: &'static str,
    request_id: &'a str,
}

/// Returns whether the path is one of the console's.
pub(crate) fn owns(path: &str) -> bool {
    path == "/console" || path.starts_with("/console/")
}

/// Replaces a problem in the answer by a page that says the same.
pub(crate) fn dress(request: &Request, response: &mut Response, request_id: &str) {
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|content_type| content_type == PROBLEM_JSON);
    let ResBody::Once(body) = &response.body else {
        return;
    };
    let Some(written) = is_problem
        .then(|| serde_json::from_slice::<Written>(body).ok())
        .flatten()
    else {
        return;
    };
    let status = response.status_code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let messages = written.errors.iter();
    let page = RefusalPage {
        assets: &ASSETS,
        theme: Theme::of(request).as_str(),
        status: status.as_u16(),
        title: &written.title,
        detail: &written.detail,
        errors: messages
            .flat_map(|(field, messages)| {
                messages
                    .iter()
                    .map(move |message| (field.as_str(), message.as_str()))
            })
            .collect(),
        advice: advice(status),
        request_id,
    };
    if let Ok(text) = page.render() {
        html::send(text, request, response);
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "Ask an administrator for a key with this scope, or sign in with another key.",
        404 => "Check the address, or search for the id under Payouts.",
        409 | 412 => "Nothing was changed. Go back, reload the page, and look at what it is now.",
        429 => "Wait a moment, and try again.",
        503 => "Nothing is lost. Reload this page in a few seconds.",
        500 => "Nothing is lost. Report it to an administrator, and quote the request id.",
        _ => "Go back, and try again.",
    }
}
