//! The key ring over a mocked store: which keys it knows, for how long, and which reads it makes.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::access::{ApiKeyId, Hasher, HeldKey, KeySecret, NewApiKey, Scope, Token};
use payout_core::contract::build;
use payout_core::ports::{
    ApiKeyError, Clock, KeySetVersion, MockApiKeyRepository, MockSecretSource, Randomness, System,
};
use payout_core::usecase::api_keys::{ApiKeyCache, ApiKeys, Found, KeysError};
use tokio_util::sync::CancellationToken;

const SECRET: [u8; 32] = [3; 32];

/// A store that a test changes, and that counts the calls that it receives.
#[derive(Default)]
struct Store {
    keys: Mutex<Vec<HeldKey>>,
    revision: AtomicU64,
    away: AtomicBool,
    pulses: AtomicUsize,
    reads: AtomicUsize,
    uses: Mutex<Vec<Vec<ApiKeyId>>>,
}

impl Store {
    fn put(&self, keys: Vec<HeldKey>) {
        *self.keys.lock().unwrap() = keys;
        self.revision.fetch_add(1, Ordering::SeqCst);
    }

    fn repository(self: &Arc<Self>) -> MockApiKeyRepository {
        let mut repository = MockApiKeyRepository::new();
        let this = self.clone();
        repository.expect_key_set_version().returning(move || {
            this.pulses.fetch_add(1, Ordering::SeqCst);
            if this.away.load(Ordering::SeqCst) {
                return Err(ApiKeyError::Unavailable("away".into()));
            }
            Ok(KeySetVersion {
                revision: this.revision.load(Ordering::SeqCst),
                any: !this.keys.lock().unwrap().is_empty(),
                now: Timestamp::UNIX_EPOCH,
            })
        });
        let this = self.clone();
        repository.expect_held().returning(move || {
            this.reads.fetch_add(1, Ordering::SeqCst);
            Ok(this.keys.lock().unwrap().clone())
        });
        let this = self.clone();
        repository.expect_note_use().returning(move |ids| {
            this.uses.lock().unwrap().push(ids.to_vec());
            Ok(())
        });
        repository.expect_secret().returning(|_| Ok(SECRET));
        repository
    }
}

/// A clock that tokio's tests can advance, and a source of randomness.
struct Environment {
    system: System,
}

impl Clock for Environment {
    fn now(&self) -> Timestamp {
        self.system.now()
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

impl Randomness for Environment {
    fn next_u64(&self) -> u64 {
        self.system.next_u64()
    }
}

fn secrets() -> Arc<MockSecretSource> {
    let mut secrets = MockSecretSource::new();
    secrets.expect_draw().returning(|| Ok([9; 32]));
    Arc::new(secrets)
}

fn api_keys(repository: MockApiKeyRepository) -> ApiKeys {
    let environment = Arc::new(Environment {
        system: System::default(),
    });
    ApiKeys::new(Arc::new(repository), None, secrets(), environment)
}

fn keyring(store: &Arc<Store>) -> Arc<ApiKeyCache> {
    Arc::new(api_keys(store.repository()).keyring())
}

/// Returns a key with this token.
fn held(name: &str, token: &Token) -> HeldKey {
    let NewApiKey { id, name, scopes, .. } = build::new_key(name);
    HeldKey {
        id,
        name,
        scopes,
        expires_at: None,
        digest: Hasher::new(&KeySecret::new(&SECRET).unwrap()).unwrap().of(token),
        previous: None,
        idempotency_scope: id,
        owner: None,
    }
}

fn token(number: u8) -> Token {
    Token::of(&[number; 32])
}

fn name(found: Found) -> Option<String> {
    match found {
        Found::Known(principal) => Some(principal.name().to_owned()),
        Found::Unknown { .. } | Found::NoKeys | Found::Nobody => None,
    }
}

/// Runs the key ring's task for this long.
async fn watched(keyring: &Arc<ApiKeyCache>, how_long: Duration) {
    let shutdown = CancellationToken::new();
    let task = {
        let (keyring, shutdown) = (keyring.clone(), shutdown.clone());
        tokio::spawn(async move { keyring.watch(shutdown).await })
    };
    tokio::time::sleep(how_long).await;
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn before_the_store_answered_nothing_is_known() {
    let store = Arc::new(Store::default());
    let keyring = keyring(&store);
    assert_eq!(keyring.ask(None, true), Found::Unknown { stale: false });
    keyring.refresh().await.unwrap();
    assert_eq!(keyring.ask(None, false), Found::NoKeys);
}

#[tokio::test(start_paused = true)]
async fn a_token_finds_its_key_and_a_wrong_one_nobody() {
    let store = Arc::new(Store::default());
    store.put(vec![held("one", &token(1)), held("two", &token(2))]);
    let keyring = keyring(&store);
    keyring.refresh().await.unwrap();
    let Found::Known(principal) = keyring.ask(Some(token(2).expose()), false) else {
        panic!("the token of a key")
    };
    assert_eq!(principal.name(), "two");
    assert!(Scope::ALL.iter().all(|scope| principal.may(*scope)));
    for shown in [None, Some(""), Some("payout_"), Some(token(3).expose())] {
        assert_eq!(keyring.ask(shown, false), Found::Nobody, "{shown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_costs_the_store_anything_whatever_it_shows() {
    let store = Arc::new(Store::default());
    store.put(vec![held("one", &token(1))]);
    let keyring = keyring(&store);
    keyring.refresh().await.unwrap();
    for number in 0..=255 {
        keyring.ask(Some(token(number).expose()), false);
    }
    assert_eq!(store.pulses.load(Ordering::SeqCst), 1);
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_keys_are_read_again_only_when_they_have_changed() {
    let store = Arc::new(Store::default());
    store.put(vec![held("one", &token(1))]);
    let keyring = keyring(&store);
    watched(&keyring, Duration::from_secs(30)).await;
    assert!(store.pulses.load(Ordering::SeqCst) >= 30);
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_by_anybody_is_known_within_two_seconds() {
    let store = Arc::new(Store::default());
    store.put(vec![held("one", &token(1))]);
    let keyring = keyring(&store);
    let shutdown = CancellationToken::new();
    let task = {
        let (keyring, shutdown) = (keyring.clone(), shutdown.clone());
        tokio::spawn(async move { keyring.watch(shutdown).await })
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(name(keyring.ask(Some(token(1).expose()), false)).is_some());
    store.put(vec![held("two", &token(2))]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(keyring.ask(Some(token(1).expose()), false), Found::Nobody);
    assert!(name(keyring.ask(Some(token(2).expose()), false)).is_some());
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_locked_once_is_not_opened_again() {
    let store = Arc::new(Store::default());
    let keyring = keyring(&store);
    keyring.refresh().await.unwrap();
    assert_eq!(keyring.ask(None, false), Found::NoKeys);
    store.put(vec![held("one", &token(1))]);
    keyring.refresh().await.unwrap();
    assert_eq!(keyring.ask(None, false), Found::Nobody);
    store.put(Vec::new());
    keyring.refresh().await.unwrap();
    assert_eq!(
        keyring.ask(None, false),
        Found::Nobody,
        "somebody removed the rows by hand"
    );
}

#[tokio::test(start_paused = true)]
async fn without_the_store_the_keys_hold_for_a_minute_and_then_nobody_is_let_in() {
    let store = Arc::new(Store::default());
    store.put(vec![held("one", &token(1))]);
    let keyring = keyring(&store);
    keyring.refresh().await.unwrap();
    store.away.store(true, Ordering::SeqCst);
    watched(&keyring, Duration::from_secs(55)).await;
    assert!(name(keyring.ask(Some(token(1).expose()), false)).is_some());
    watched(&keyring, Duration::from_secs(10)).await;
    let shown = Some(token(1).expose().to_owned());
    let ask = |stale_will_do| keyring.ask(shown.as_deref(), stale_will_do);
    assert_eq!(ask(false), Found::Unknown { stale: true });
    assert!(
        name(ask(true)).is_some(),
        "for metrics, what was known last will do"
    );
    store.away.store(false, Ordering::SeqCst);
    watched(&keyring, Duration::from_secs(1)).await;
    assert!(name(ask(false)).is_some(), "the store is back");
}

#[tokio::test(start_paused = true)]
async fn an_open_service_without_its_store_is_not_open_for_long_either() {
    let store = Arc::new(Store::default());
    let keyring = keyring(&store);
    keyring.refresh().await.unwrap();
    store.away.store(true, Ordering::SeqCst);
    watched(&keyring, Duration::from_secs(65)).await;
    assert_eq!(keyring.ask(None, false), Found::Unknown { stale: true });
}

#[tokio::test(start_paused = true)]
async fn uses_are_written_in_batches_each_key_once_a_minute() {
    let store = Arc::new(Store::default());
    let (one, two) = (held("one", &token(1)), held("two", &token(2)));
    let ids = [one.id, two.id];
    store.put(vec![one, two, held("unused", &token(3))]);
    let keyring = keyring(&store);
    keyring.refresh().await.unwrap();
    let shutdown = CancellationToken::new();
    let task = {
        let (keyring, shutdown) = (keyring.clone(), shutdown.clone());
        tokio::spawn(async move { keyring.watch(shutdown).await })
    };
    for _ in 0..300 {
        for number in [1, 2] {
            keyring.ask(Some(token(number).expose()), false);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let written = store.uses.lock().unwrap().clone();
    assert_eq!(written.len(), 2, "at once, and after a minute: {written:?}");
    for mut batch in written {
        batch.sort();
        let mut expected = ids;
        expected.sort();
        assert_eq!(batch, expected);
    }
    shutdown.cancel();
    task.await.unwrap();
    assert_eq!(
        store.uses.lock().unwrap().len(),
        3,
        "what is left is written at the end"
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_would_open_nothing_is_not_made() {
    let store = Arc::new(Store::default());
    // No `insert` is expected: the mock panics when it is called.
    let keys = api_keys(store.repository());
    let name = || build::new_key("shop").name;
    let no_scopes = keys
        .create(name(), [].into_iter().collect(), None, None, None)
        .await;
    assert!(matches!(no_scopes, Err(KeysError::NoScopes)));
    let expired = keys
        .create(
            name(),
            [Scope::Read].into_iter().collect(),
            Some(Timestamp::UNIX_EPOCH),
            None,
            None,
        )
        .await;
    assert!(matches!(expired, Err(KeysError::ExpiresInPast)));
}
