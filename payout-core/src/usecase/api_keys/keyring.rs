//! All live API keys in memory, and the task that keeps them current.
//!
//! The task asks the store once a second for the revision, a few bytes, and reads the keys only when the revision has
//! changed. So every process knows within about two seconds of a key that any process made, rotated or revoked. While
//! the store is unavailable, the keys read last stay in use for a minute. After that every request is refused, and
//! without the store none could be served anyway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Causes;
use crate::Timestamp;
use crate::access::{ApiKeyId, Hasher, Principal, Ring, TokenDigest};
use crate::ports::{ApiKeyError, ApiKeyRepository, Environment};
use crate::usecase::api_keys::Hashing;

/// The interval at which the task asks the store.
const EVERY: Duration = Duration::from_secs(1);
/// The timeout of one question to the store.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time for which the keys read last stay in use while the store does not answer.
const HOLD: Duration = Duration::from_secs(60);
/// The shortest interval between two writes of one key's last use.
const WRITE_USE_EVERY: Duration = Duration::from_secs(60);

/// The result of looking a token up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The keys are not known: they were never read, or the last successful read is too old.
    Unknown {
        /// Set if they were known before.
        stale: bool,
    },
    /// The store has no keys, and has had none since this process started.
    NoKeys,
    /// The token is valid and belongs to this principal.
    Known(Arc<Principal>),
    /// There are keys, and the token is missing or matches no live key.
    Nobody,
}

/// The store's keys, as read last.
struct Known {
    hasher: Hasher,
    revision: u64,
    /// Set if the store has any key, or had one since this process started: authentication is never switched off again.
    any: bool,
    /// The store's clock at the last question.
    now: Timestamp,
    ring: Arc<Ring>,
    /// The number of keys that were made under another secret.
    foreign: usize,
    stale: bool,
}

/// The API keys of one store, as this process knows them.
pub struct ApiKeyCache {
    repository: Arc<dyn ApiKeyRepository>,
    hashing: Arc<Hashing>,
    environment: Arc<dyn Environment>,
    known: RwLock<Option<Known>>,
    upkeep: Mutex<Upkeep>,
    /// Allows one refresh at a time, so that an older answer never replaces a newer one.
    refreshing: tokio::sync::Mutex<()>,
}

/// State that only the task uses.
#[derive(Default)]
struct Upkeep {
    /// The time of the store's last answer, by the monotonic clock.
    answered: Duration,
    /// The time at which each key's use was last written.
    written: HashMap<ApiKeyId, Duration>,
}

impl ApiKeyCache {
    pub(super) fn new(
        repository: Arc<dyn ApiKeyRepository>,
        hashing: Arc<Hashing>,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self {
            repository,
            hashing,
            environment,
            known: RwLock::new(None),
            upkeep: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    /// Looks a token up in this process's memory, without any call. With `stale_will_do` it uses the keys known last,
    /// however old they are.
    pub fn ask(&self, token: Option<&str>, stale_will_do: bool) -> Found {
        self.ask_known(stale_will_do, |known| {
            token.and_then(|token| known.hasher.of_shown(token))
        })
    }

    /// Looks up a token by its digest, as [`ask`](Self::ask) does.
    pub fn ask_digest(&self, digest: &TokenDigest) -> Found {
        self.ask_known(false, |_| Some(*digest))
    }

    /// Returns the digest of a token; `None` if the text does not have the form of one, or the keys were never read.
    pub fn digest_of(&self, token: &str) -> Option<TokenDigest> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref()?.hasher.of_shown(token)
    }

    fn ask_known(&self, stale_will_do: bool, digest: impl FnOnce(&Known) -> Option<TokenDigest>) -> Found {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.as_ref() else {
            return Found::Unknown { stale: false };
        };
        if known.stale && !stale_will_do {
            return Found::Unknown { stale: true };
        }
        if !known.any {
            return Found::NoKeys;
        }
        match digest(known).and_then(|digest| known.ring.find(&digest, known.now)) {
            Some(holder) => {
                holder.note_use();
                Found::Known(holder.principal().clone())
            }
            None => Found::Nobody,
        }
    }

    /// Returns whether a principal that was let in earlier still is: its key is there, with the same scopes; or the service
    /// still has no keys. A long answer asks before each part.
    pub fn still_knows(&self, principal: &Principal) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.as_ref() else {
            return false;
        };
        match principal.api_key() {
            Some(id) => known.ring.still_has(id, principal, known.now),
            None => !known.any,
        }
    }

    /// Returns the number of keys that were made under another secret, so that their tokens do not work here, and the
    /// number of live keys.
    pub fn foreign_and_live(&self) -> (usize, usize) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .as_ref()
            .map_or((0, 0), |known| (known.foreign, known.ring.holders().count()))
    }

    /// Asks the store now. A caller that has just changed a key does so.
    ///
    /// # Errors
    /// [`ApiKeyError`]; the keys known before stay in use.
    pub async fn refresh(&self) -> Result<(), ApiKeyError> {
        let _alone = self.refreshing.lock().await;
        let key_set_version = self.repository.key_set_version().await?;
        let hasher = self.hashing.hasher().await?;
        let before = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known
                .as_ref()
                .map(|known| (known.revision, known.any, known.ring.clone(), known.foreign))
        };
        let before_any = before.as_ref().map(|(_, any, ..)| *any);
        let (ring, any, foreign) = match before {
            Some((revision, any, ring, foreign)) if revision == key_set_version.revision => {
                (ring, any || key_set_version.any, foreign)
            }
            before => {
                let (any, ring) = before.map_or_else(Default::default, |(_, any, ring, _)| (any, ring));
                let held = self.repository.held().await?;
                let foreign = held
                    .iter()
                    .filter(|key| key.digest.secret != hasher.secret())
                    .count();
                if foreign > 0 {
                    tracing::warn!(
                        keys = foreign,
                        "some API keys were made under another key secret; they are not accepted here"
                    );
                }
                let ring = Arc::new(Ring::of(held, hasher.secret(), &ring));
                (ring, any || key_set_version.any, foreign)
            }
        };
        if any && before_any == Some(false) {
            tracing::warn!("the first API key was made: from now on every request needs one");
        }
        let news = Known {
            hasher: hasher.clone(),
            revision: key_set_version.revision,
            any,
            now: key_set_version.now,
            ring,
            foreign,
            stale: false,
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(news);
        let mut upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        upkeep.answered = self.environment.monotonic();
        Ok(())
    }

    /// Keeps the keys current and writes their uses until shutdown.
    pub async fn watch(&self, shutdown: CancellationToken) {
        let rounds = async {
            loop {
                self.look().await;
                self.write_uses(WRITE_USE_EVERY).await;
                sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = rounds => (),
        }
        self.write_uses(Duration::ZERO).await;
    }

    async fn look(&self) {
        // The health checks log that the store is unavailable; this logs only errors of another kind.
        let cause = match timeout(PATIENCE, self.refresh()).await {
            Ok(Ok(())) => return,
            Ok(Err(error @ ApiKeyError::Unavailable(_))) => Causes(&error).to_string(),
            Err(elapsed) => elapsed.to_string(),
            Ok(Err(error)) => {
                let reason = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(reason, "the API keys cannot be read");
                Causes(&error).to_string()
            }
        };
        let answered = {
            let upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
            upkeep.answered
        };
        if self.environment.monotonic().saturating_sub(answered) >= HOLD {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.as_mut().filter(|known| !known.stale) {
                known.stale = true;
                tracing::warn!(
                    error = cause,
                    "the API keys could not be checked for a minute; no request is let in until they can be"
                );
            }
        }
    }

    /// Writes that keys were used, in one statement. Each key is written at most once per `every`.
    async fn write_uses(&self, every: Duration) {
        let now = self.environment.monotonic();
        let ring = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.as_ref().map(|known| known.ring.clone())
        };
        let Some(ring) = ring else { return };
        let used: Vec<ApiKeyId> = {
            let mut upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
            let due = |written: Option<&Duration>| written.is_none_or(|at| now.saturating_sub(*at) >= every);
            let used: Vec<ApiKeyId> = ring
                .holders()
                .filter(|holder| due(upkeep.written.get(&holder.id())) && holder.take_use())
                .map(|holder| holder.id())
                .collect();
            for id in &used {
                upkeep.written.insert(*id, now);
            }
            used
        };
        if used.is_empty() {
            return;
        }
        // Best effort: a use that is not written is written with the next one.
        let written = timeout(PATIENCE, self.repository.note_use(&used)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::debug!(keys = used.len(), "the use of API keys could not be noted");
        }
    }
}
