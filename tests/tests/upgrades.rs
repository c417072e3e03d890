//! Migrations of databases that earlier versions wrote: all payouts and keys in them keep working. Each folder of
//! `tests/upgrades` belongs to one version; `tests/upgrades/make` writes them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use payout_tests::app::{App, Launch, path_of};
use payout_tests::client::PAYOUTS;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_payout-under-test");

/// A database that one version wrote.
struct Fixture {
    folder: PathBuf,
    backend: Backend,
    name: String,
    expected: Value,
}

impl Fixture {
    /// Returns every version's fixtures of this database, plain and encrypted.
    fn all(backend: Backend) -> Vec<Self> {
        let versions = Path::new(env!("CARGO_MANIFEST_DIR")).join("upgrades");
        let mut folders: Vec<PathBuf> = std::fs::read_dir(versions)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        assert!(!folders.is_empty());
        let mut fixtures = Vec::new();
        for folder in folders {
            let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
            let mut expected: Value = serde_json::from_str(&text).unwrap();
            for kind in ["plain", "encrypted"] {
                let dialect = match backend {
                    Backend::Sqlite => "sqlite",
                    Backend::Postgres => "postgres",
                };
                let name = format!("{dialect}-{kind}");
                fixtures.push(Self {
                    folder: folder.clone(),
                    backend,
                    expected: expected[&name].take(),
                    name,
                });
            }
        }
        fixtures
    }

    /// Makes a database with the fixture's contents.
    async fn store(&self) -> Store {
        let store = Store::new(self.backend).await;
        match self.backend {
            Backend::Sqlite => {
                let file = self.unpacked("sqlite");
                std::fs::write(store.folder().join("payouts.db"), file).unwrap();
            }
            Backend::Postgres => {
                let dump = String::from_utf8(self.unpacked("sql")).unwrap();
                store.execute(dump).await;
            }
        }
        store
    }

    fn unpacked(&self, ending: &str) -> Vec<u8> {
        let file = self.folder.join(format!("{}.{ending}.gz", self.name));
        let output = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
        assert!(output.status.success(), "cannot unpack {}", file.display());
        output.stdout
    }

    /// Returns a launch of this version's processes on the fixture's database.
    async fn launch(&self) -> Launch {
        self.launch_on(self.store().await)
    }

    fn launch_on(&self, store: Store) -> Launch {
        let launch = Launch::new(BINARY, Arc::new(store)).set("PAYOUT_KEY_SECRET", self.text("key_secret"));
        match self.expected["encryption_keys"].as_str() {
            Some(keys) => launch.set("PAYOUT_ENCRYPTION_KEYS", keys),
            None => launch,
        }
    }

    fn text(&self, field: &str) -> &str {
        self.expected[field].as_str().unwrap()
    }

    fn token(&self) -> Option<&str> {
        self.expected["token"].as_str()
    }

    /// Returns the payouts in the database, by name.
    fn payouts(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.expected["payouts"].as_object().unwrap().iter()
    }

    fn payout(&self, name: &str) -> &Value {
        &self.expected["payouts"][name]
    }

    /// Returns the id of the payout that was created under a name.
    fn id(&self, name: &str) -> &str {
        self.payout(name)["answer"]["id"].as_str().unwrap()
    }

    async fn served(&self) -> App {
        let app = self.launch().await.serve().await;
        self.sign_in(&app);
        app
    }

    fn sign_in(&self, app: &App) {
        if let Some(token) = self.token() {
            app.always_with_key(token);
        }
    }
}

/// Makes each of these functions a test for each database.
macro_rules! on_each_database {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                for fixture in super::Fixture::all(payout_tests::store::Backend::Sqlite) {
                    super::$name(fixture).await;
                }
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                for fixture in super::Fixture::all(payout_tests::store::Backend::Postgres) {
                    super::$name(fixture).await;
                }
            })+
        }
    };
}

on_each_database!(
    payouts_and_their_trails_read_as_before,
    a_repeated_request_is_answered_as_before,
    api_keys_open_what_they_opened,
    work_that_was_begun_or_waits_is_finished_under_the_keys_of_before,
);

/// Checks that every earlier field is unchanged; there may be new fields.
fn assert_reads(now: &Value, before: &Value, what: &str) {
    for (field, value) in before.as_object().unwrap() {
        if value.is_object() {
            assert_reads(&now[field], value, what);
        } else {
            assert_eq!(&now[field], value, "{field} of {what}");
        }
    }
}

async fn payouts_and_their_trails_read_as_before(fixture: Fixture) {
    let app = fixture.served().await;
    for (name, payout) in fixture.payouts().filter(|(_, payout)| payout["last"].is_object()) {
        let what = format!("{name} in {}", fixture.name);
        let path = path_of(&payout["answer"]);
        assert_reads(&app.payout(&path).await, &payout["last"], &what);
        let events = app.get(&format!("{path}events/")).await.expect(200).json();
        let (now, before) = (&events["results"], &payout["events"]["results"]);
        let (now, before) = (now.as_array().unwrap(), before.as_array().unwrap());
        assert_eq!(now.len(), before.len(), "events of {what}");
        for (now, before) in now.iter().zip(before) {
            assert_reads(now, before, &what);
        }
    }
    // A payout that was deleted under the earlier rules stays hidden.
    let _ = app
        .get(&format!("{PAYOUTS}{}/", fixture.id("deleted")))
        .await
        .expect(404);
    let listed = app
        .get(&format!("{PAYOUTS}?page_size=200"))
        .await
        .expect(200)
        .json();
    let kept = fixture.payouts().count() - 1;
    assert_eq!(
        listed["results"].as_array().unwrap().len(),
        kept,
        "{}",
        fixture.name
    );
}

async fn a_repeated_request_is_answered_as_before(fixture: Fixture) {
    let app = fixture.served().await;
    let before = app.get(PAYOUTS).await.expect(200).json()["count"].clone();
    let mut repeated = 0;
    for (name, payout) in fixture.payouts() {
        let what = format!("{name} in {}", fixture.name);
        let Some(key) = payout["key"].as_str() else {
            continue;
        };
        let again = app
            .post(PAYOUTS)
            .header("idempotency-key", key)
            .json(&payout["request"])
            .await
            .expect(201);
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{what}");
        assert_reads(&again.json(), &payout["answer"], &what);
        repeated += 1;
        let mut other = payout["request"].clone();
        other["amount"] = json!("99.99");
        let _ = app
            .post(PAYOUTS)
            .header("idempotency-key", key)
            .json(other)
            .await
            .problem(422);
        if let Some(retry) = payout["retry"].as_object() {
            let again = app
                .post(&format!("{}retry/", path_of(&payout["answer"])))
                .header("idempotency-key", retry["key"].as_str().unwrap())
                .await
                .expect(202);
            assert_eq!(again.header("idempotent-replayed"), Some("true"), "{what}");
            assert_reads(&again.json(), &retry["answer"], &what);
        }
    }
    assert!(repeated > 5);
    assert_eq!(app.get(PAYOUTS).await.expect(200).json()["count"], before);
}

async fn api_keys_open_what_they_opened(fixture: Fixture) {
    let app = fixture.launch().await.serve().await;
    let Some(token) = fixture.token() else {
        let _ = app.get(PAYOUTS).await.expect(200);
        return;
    };
    let _ = app.get(PAYOUTS).await.expect(401);
    let rotated = &fixture.expected["rotated"];
    for (token, status) in [
        (token, 200),
        (rotated["new"].as_str().unwrap(), 200),
        (rotated["old"].as_str().unwrap(), 401),
        (fixture.text("revoked"), 401),
    ] {
        let _ = app.get(PAYOUTS).key(token).await.expect(status);
    }
}

async fn work_that_was_begun_or_waits_is_finished_under_the_keys_of_before(fixture: Fixture) {
    let store = fixture.store().await;
    be_of_now(&store, fixture.expected["made_at"].as_f64().unwrap()).await;
    let provider = Provider::that(Deed::Pay).await;
    let first = |name| format!("{}:0", fixture.id(name));
    let second = |name| format!("{}:1", fixture.id(name));
    let paid = |key: &str| json!({"status": "completed", "reference": format!("before-{key}")});
    for known in [first("claimed and paid"), first("accepted")] {
        provider.plant(&known, paid(&known));
    }
    let app = fixture
        .launch_on(store)
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
        .start(&["run"])
        .ready()
        .await;
    fixture.sign_in(&app);
    for name in [
        "claimed and paid",
        "accepted",
        "claimed",
        "pending",
        "pending, decomposed name",
        "pending, withdrawn currency",
        "retried, pending",
    ] {
        let path = path_of(&fixture.payout(name)["answer"]);
        let what = format!("{name} in {} is completed", fixture.name);
        eventually(&what, SOON, async || {
            Some(app.payout(&path).await).filter(|payout| payout["status"] == "completed")
        })
        .await;
    }
    for (key, submissions, payments) in [
        // The outcome is adopted, and the payout is not sent again.
        (first("claimed and paid"), 0, 0),
        (first("accepted"), 0, 0),
        // The provider does not know the key, so the payout is sent under the same key.
        (first("claimed"), 1, 1),
        (first("pending"), 1, 1),
        (second("retried, pending"), 1, 1),
    ] {
        let entry = provider.entry(&key);
        assert_eq!(
            (entry.submissions, entry.payments),
            (submissions, payments),
            "{key} of {}",
            fixture.name
        );
    }
    let asked = app
        .payout(&path_of(&fixture.payout("claimed and paid")["answer"]))
        .await;
    assert_eq!(
        asked["provider_reference"],
        format!("before-{}", first("claimed and paid"))
    );
    for (name, status) in [
        ("completed", "completed"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
        ("under review", "processing"),
    ] {
        let now = app.payout(&path_of(&fixture.payout(name)["answer"])).await;
        assert_eq!(now["status"], status, "{name} in {}", fixture.name);
    }
}

/// Moves the times of every payout, as if the database had been written just now. Otherwise the provider's memory of a
/// key would have expired since the fixture was made.
async fn be_of_now(store: &Store, made_at: f64) {
    let columns = [
        "created_at",
        "updated_at",
        "due_at",
        "first_submitted_at",
        "claimed_at",
        "quiet_at",
    ];
    let moved = |change: &dyn Fn(&str) -> String| columns.map(change).join(", ");
    let sql = match store.backend() {
        Backend::Sqlite => {
            let by = format!("CAST((unixepoch('subsec') - {made_at}) * 1000000 AS INTEGER)");
            moved(&|column| format!("{column} = {column} + {by}"))
        }
        Backend::Postgres => {
            let by = format!("(now() - to_timestamp({made_at}))");
            moved(&|column| format!("{column} = {column} + {by}"))
        }
    };
    let apart = match store.backend() {
        Backend::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE name = 'payout_states'",
        Backend::Postgres => "SELECT count(to_regclass('payout_states'))",
    };
    // The creation is not changed once it is a row's own.
    let table = if store.number(apart).await == 0 {
        "payouts"
    } else {
        "payout_states"
    };
    store.execute(format!("UPDATE {table} SET {sql}")).await;
}
