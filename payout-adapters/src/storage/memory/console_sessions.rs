//! Sessions of the console in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::access::{NewSession, SessionDigest, TokenDigest};
use payout_core::ports::{Clock, ConsoleSessionRepository, RepositoryError};

/// Sessions in this process's memory, kept until the process ends.
pub struct MemoryConsoleSessions {
    clock: Arc<dyn Clock>,
    sessions: Mutex<HashMap<SessionDigest, (TokenDigest, Timestamp)>>,
}

impl MemoryConsoleSessions {
    /// Creates an empty set of sessions that reads the time from this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            sessions: Mutex::default(),
        }
    }
}

#[async_trait]
impl ConsoleSessionRepository for MemoryConsoleSessions {
    async fn begin_session(&self, new: &NewSession) -> Result<(), RepositoryError> {
        let now = self.clock.now();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        // No database keeps them as a record, so those that have ended need no place.
        sessions.retain(|_, (_, until)| now < *until);
        sessions.insert(new.digest, (new.key, now + new.lasts));
        Ok(())
    }

    async fn session(&self, digest: &SessionDigest) -> Result<Option<TokenDigest>, RepositoryError> {
        let now = self.clock.now();
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let found = sessions.get(digest).filter(|(_, until)| now < *until);
        Ok(found.map(|(key, _)| *key))
    }

    async fn end_session(&self, digest: &SessionDigest) -> Result<(), RepositoryError> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(digest);
        Ok(())
    }
}
