//! Access tokens by OAuth 2 client credentials.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{WRONG_SECRET, random};
use crate::http::{Answer, Request};

/// The tokens that were granted and not revoked.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Granted>);

#[derive(Default)]
struct Granted {
    valid: HashSet<String>,
    count: usize,
}

impl Tokens {
    fn granted_tokens(&self) -> MutexGuard<'_, Granted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request for a token.
    pub(super) fn grant(&self, request: &Request) -> Answer {
        let grants = request
            .form()
            .iter()
            .any(|(name, value)| (name.as_str(), value.as_str()) == ("grant_type", "client_credentials"));
        if !grants {
            return Answer::json(400, &json!({"error": "unsupported_grant_type"}));
        }
        if !has_credentials(request) {
            let body =
                json!({"error": "invalid_client", "error_description": "Client Authentication failed"});
            return Answer::json(401, &body);
        }
        let token = format!("A21AA{}", random::uuid().simple());
        let mut granted = self.granted_tokens();
        granted.valid.insert(token.clone());
        granted.count += 1;
        let body = json!({
            "scope": "https://uri.paypal.com/payments/payouts",
            "access_token": token,
            "token_type": "Bearer",
            "app_id": "APP-80W284485P519543T",
            "expires_in": 32400,
            "nonce": "2026-11-24T09:00:00Z",
        });
        Answer::json(200, &body)
    }

    pub(super) fn accepts(&self, request: &Request) -> bool {
        request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|token| self.granted_tokens().valid.contains(token))
    }

    pub(super) fn revoke(&self) {
        self.granted_tokens().valid.clear();
    }

    pub(super) fn granted(&self) -> usize {
        self.granted_tokens().count
    }
}

fn has_credentials(request: &Request) -> bool {
    let pair = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    pair.as_deref()
        .and_then(|pair| pair.split_once(':'))
        .is_some_and(|(id, secret)| !id.is_empty() && !secret.is_empty() && secret != WRONG_SECRET)
}
