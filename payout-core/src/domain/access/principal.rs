//! Whoever a request comes from.

use crate::access::{ApiKeyId, Scope, Scopes};
use crate::payout::{Actor, Caller};

/// What the audit trail calls whoever asks a service that is open. No key may have this name.
pub const OPEN_NAME: &str = "api";

/// Whoever a request was found to come from, and what that opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: Actor,
    api_key: Option<ApiKeyId>,
    idempotency_scope: Option<ApiKeyId>,
    scopes: Scopes,
}

impl Principal {
    /// Anybody who reaches a service that is open: every scope, and no key.
    pub fn open() -> Self {
        Self {
            name: Actor::new(OPEN_NAME),
            api_key: None,
            idempotency_scope: None,
            scopes: Scopes::all(),
        }
    }

    /// Whoever was not asked: no scope.
    pub fn nobody() -> Self {
        Self {
            scopes: Scopes::default(),
            ..Self::open()
        }
    }

    /// Whoever holds this key, which has a scope of idempotency of its own.
    pub fn of_key(id: ApiKeyId, name: &str, scopes: Scopes) -> Self {
        Self {
            name: Actor::new(name),
            api_key: Some(id),
            idempotency_scope: Some(id),
            scopes,
        }
    }

    /// The same, within the scope of idempotency of the key that it succeeds.
    #[must_use]
    pub fn in_scope_of(self, first: ApiKeyId) -> Self {
        Self {
            idempotency_scope: Some(first),
            ..self
        }
    }

    /// The name, for the audit trail.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The key; absent in an open service.
    pub fn api_key(&self) -> Option<ApiKeyId> {
        self.api_key
    }

    /// Whether the scope is open to it: by its name, or as part of [`Scope::Admin`].
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.include(scope)
    }

    /// The caller that it is in the use cases.
    pub fn caller(&self) -> Caller {
        Caller {
            actor: self.name.clone(),
            api_key: self.idempotency_scope,
            request_id: None,
            reason: None,
        }
    }
}
