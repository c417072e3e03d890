//! The authenticated caller of a request.

use crate::access::{ApiKeyId, KeyOwner, Scope, Scopes};
use crate::payout::{Actor, Caller};

/// The actor in the audit trail for callers of a service without API keys. No key may have this name.
pub const OPEN_NAME: &str = "api";

/// The authenticated caller of a request, and the scopes that it was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: Actor,
    api_key: Option<ApiKeyId>,
    idempotency_scope: Option<ApiKeyId>,
    owner: Option<KeyOwner>,
    scopes: Scopes,
}

impl Principal {
    /// Builds the principal of every caller of a service without API keys: all scopes, and no key.
    pub fn open() -> Self {
        Self {
            name: Actor::new(OPEN_NAME),
            api_key: None,
            idempotency_scope: None,
            owner: None,
            scopes: Scopes::all(),
        }
    }

    /// Builds the principal of a caller that was not authenticated: no scopes.
    pub fn nobody() -> Self {
        Self {
            scopes: Scopes::default(),
            ..Self::open()
        }
    }

    /// Builds the principal of a key that has a scope of idempotency of its own.
    pub fn of_key(id: ApiKeyId, name: &str, scopes: Scopes) -> Self {
        Self {
            name: Actor::new(name),
            api_key: Some(id),
            idempotency_scope: Some(id),
            owner: None,
            scopes,
        }
    }

    /// Moves the principal into the scope of idempotency of `first`, the key that its own succeeds.
    #[must_use]
    pub fn in_scope_of(self, first: ApiKeyId) -> Self {
        Self {
            idempotency_scope: Some(first),
            ..self
        }
    }

    /// Sets the owner of the key.
    #[must_use]
    pub fn owned_by(self, owner: Option<KeyOwner>) -> Self {
        Self { owner, ..self }
    }

    /// Builds the principal of an operator who uses the command line with these scopes.
    pub fn operator(scopes: Scopes) -> Self {
        Self {
            scopes,
            ..Self::open()
        }
    }

    /// Returns the name, for the audit trail.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Returns the id of the API key; absent in a service without API keys.
    pub fn api_key(&self) -> Option<ApiKeyId> {
        self.api_key
    }

    /// Returns whether the key belongs to a person: it has an owner.
    pub fn is_person(&self) -> bool {
        self.owner.is_some()
    }

    /// Returns the owner of the key, if it has one.
    pub fn owner(&self) -> Option<&KeyOwner> {
        self.owner.as_ref()
    }

    /// Returns whether the principal has the scope: by its name, or through [`Scope::Admin`].
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.include(scope)
    }

    /// Returns the caller for the use cases.
    pub fn caller(&self) -> Caller {
        Caller {
            actor: self.name.clone(),
            api_key: self.idempotency_scope,
            owner: self.owner.clone(),
            request_id: None,
            reason: None,
        }
    }
}
