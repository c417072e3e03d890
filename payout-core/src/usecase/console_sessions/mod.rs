//! The use cases for sessions of the console: a person signs in with an API key, and signs out.

use std::sync::Arc;

use crate::access::{NewSession, Principal, SESSION_LASTS, SessionToken};
use crate::payout::Actor;
use crate::ports::{ConsoleSessionRepository, NoSecret, RepositoryError, SecretSource};
use crate::usecase::api_keys::{ApiKeyCache, Found};

/// The reason for which nobody was signed in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// The text is not the token of a key that is accepted.
    #[error("This is not a valid API key.")]
    Invalid,
    /// The key belongs to a program.
    #[error("This key has no owner: the console is for people.")]
    NoOwner,
    /// The keys are not known at present.
    #[error("The API keys cannot be checked right now.")]
    Unknown,
    /// The store failed.
    #[error("The store cannot be used right now.")]
    Repository(#[from] RepositoryError),
    /// No secret can be drawn.
    #[error(transparent)]
    NoSecret(#[from] NoSecret),
}

/// The sessions of the console. Cheap to clone.
#[derive(Clone)]
pub struct ConsoleSessions {
    repository: Arc<dyn ConsoleSessionRepository>,
    keyring: Arc<ApiKeyCache>,
    secrets: Arc<dyn SecretSource>,
}

impl ConsoleSessions {
    /// Makes the use cases over a store and the API keys that this process knows.
    pub fn new(
        repository: Arc<dyn ConsoleSessionRepository>,
        keyring: Arc<ApiKeyCache>,
        secrets: Arc<dyn SecretSource>,
    ) -> Self {
        Self {
            repository,
            keyring,
            secrets,
        }
    }

    /// Begins a session for the person who holds the key. Its token is new, whatever the browser had before.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_in(&self, key: &str) -> Result<(SessionToken, Arc<Principal>), SignInError> {
        let principal = match self.keyring.ask(Some(key), false) {
            Found::Known(principal) => principal,
            Found::Nobody | Found::NoKeys => return Err(SignInError::Invalid),
            Found::Unknown { .. } => return Err(SignInError::Unknown),
        };
        if !principal.is_person() {
            return Err(SignInError::NoOwner);
        }
        let digest = self.keyring.digest_of(key).ok_or(SignInError::Invalid)?;
        let token = SessionToken::of(&self.secrets.draw()?);
        let new = NewSession {
            digest: token.digest(),
            key: digest,
            by: Actor::new(principal.name()),
            lasts: SESSION_LASTS,
        };
        self.repository.begin_session(&new).await?;
        Ok((token, principal))
    }

    /// Returns the person whose session it is. `None` once the session has ended or its API key is no longer accepted.
    ///
    /// # Errors
    /// [`SignInError::Unknown`], [`SignInError::Repository`].
    pub async fn find(&self, token: &SessionToken) -> Result<Option<Arc<Principal>>, SignInError> {
        let Some(key) = self.repository.session(&token.digest()).await? else {
            return Ok(None);
        };
        match self.keyring.ask_digest(&key) {
            Found::Known(principal) => Ok(Some(principal)),
            Found::Nobody | Found::NoKeys => Ok(None),
            Found::Unknown { .. } => Err(SignInError::Unknown),
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`SignInError::Repository`].
    pub async fn sign_out(&self, token: &SessionToken) -> Result<(), SignInError> {
        Ok(self.repository.end_session(&token.digest()).await?)
    }
}
