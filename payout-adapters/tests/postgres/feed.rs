//! The event feed under transactions that commit in another order than that of their numbers.

use std::time::Duration;

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::PostgresRepository;
use payout_core::attempt::{Recheck, RecheckFinding, Verdict};
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::feed::{EventType, FeedPosition, PublicEvent};
use payout_core::payout::{Actor, Failure, PayoutId};
use payout_core::ports::{
    EventFeed, FeedQuery, PayoutRepository, ProviderRepository, RecheckRepository, ReconciliationReader,
};
use payout_core::provider::{PaymentReturn, ProviderName};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::database::Database;

/// Stores a creation as an earlier version of the program does, which knows nothing of the feed.
const CREATE: &str = "
    INSERT INTO payout_details (
        id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
        created_by
    )
    VALUES (gen_random_uuid(), now(), 1, 'EUR', 'account', 'Name', 'name', '', 'session')
    RETURNING id";

async fn create_in(session: &mut PgConnection) -> PayoutId {
    let id: Uuid = sqlx::query_scalar(CREATE).fetch_one(session).await.unwrap();
    PayoutId::from(id)
}

fn after(position: FeedPosition) -> FeedQuery {
    FeedQuery {
        after: position,
        types: Vec::new(),
        limit: 1000,
    }
}

/// Reads on from a position until this payout's creation is shown.
async fn until(feed: &PostgresRepository, from: FeedPosition, last: PayoutId) -> Vec<PublicEvent> {
    let (mut events, mut position) = (Vec::new(), from);
    for _ in 0..4000 {
        let page = feed.after(&after(position)).await.unwrap();
        position = page.next;
        events.extend(page.events);
        if events.iter().any(|event| event.payout_id() == Some(last)) {
            return events;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{last} is never shown");
}

fn payouts(events: &[PublicEvent]) -> Vec<PayoutId> {
    events.iter().filter_map(PublicEvent::payout_id).collect()
}

#[tokio::test]
async fn what_commits_late_is_not_skipped_and_comes_first() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let other = drive::stored(&repository).await;
    let first = drive::stored(&repository).await.id();
    let seen = until(&repository, FeedPosition::START, first).await;
    let position = seen.last().unwrap().position;

    let mut session = pool.begin().await.unwrap();
    let late = create_in(&mut session).await;
    let edit = "INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, version)
        VALUES ($1, 0, 0, now(), 'edited', 'pending', 'session', 2)";
    let edited = sqlx::query(edit).bind(first.as_uuid());
    edited.execute(&mut *session).await.unwrap();
    drive::apply(&repository, &other.clone().cancel(build::client()).unwrap()).await;
    let early = drive::stored(&repository).await.id();
    // The later transaction has committed, and is not shown while the earlier one runs.
    for _ in 0..5 {
        let page = repository.after(&after(position)).await.unwrap();
        assert_eq!((page.events, page.next), (vec![], position));
    }
    assert_eq!(repository.end().await.unwrap(), position);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(repository.delay().await.unwrap() >= Duration::from_millis(50));
    session.commit().await.unwrap();

    let news = until(&repository, position, early).await;
    assert_eq!(payouts(&news), [late, first, other.id(), early]);
    let nothing_waits = async || (repository.delay().await.unwrap() == Duration::ZERO).then_some(());
    drive::eventually("nothing waits", nothing_waits).await;
}

#[tokio::test]
async fn a_transaction_that_is_rolled_back_delays_and_leaves_nothing() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let mut session = pool.begin().await.unwrap();
    let never = create_in(&mut session).await;
    let last = drive::stored(&repository).await.id();
    session.rollback().await.unwrap();
    let events = until(&repository, FeedPosition::START, last).await;
    assert!(!payouts(&events).contains(&never));
}

/// Makes each row that is written there wait for the advisory lock 7, within its transaction.
pub(crate) async fn wait_for_lock(pool: &PgPool, written: &str) {
    let trigger = format!(
        "CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            WHILE NOT pg_try_advisory_xact_lock_shared(7) LOOP PERFORM pg_sleep(0.01); END LOOP;
            RETURN NULL;
        END $$;
        CREATE TRIGGER wait_for_test {written} FOR EACH ROW EXECUTE FUNCTION wait_for_test()"
    );
    sqlx::raw_sql(AssertSqlSafe(trigger)).execute(pool).await.unwrap();
}

/// An edit waits within its transaction, which has its number by then. Another edit with a greater number commits first.
#[tokio::test]
async fn a_payouts_events_keep_their_order_where_transactions_do_not() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    wait_for_lock(&pool, "AFTER INSERT ON daily_totals").await;
    let payout = drive::store(&repository, build::amounting_to("10", "EUR")).await;
    let edit_to = |amount: &str| {
        let mut details = payout.details().clone();
        details.money = build::money(amount, "EUR");
        details
    };
    let first = payout.clone().edit(edit_to("20"), build::client()).unwrap();
    let now = repository.now().await.unwrap();
    let edited = first.made_at(now);
    let mut second = edited.clone().edit(edit_to("30"), build::client()).unwrap();
    second.charge = build::charge_of_edit(
        build::money("20", "EUR"),
        build::money("30", "EUR"),
        "1000",
        build::fresh_api_key(),
    );

    let mut gate = pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(7)")
        .execute(&mut *gate)
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let repository = repository.clone();
        async move { repository.apply(&second, None).await }
    });
    drive::eventually("the second edit has its number", async || {
        let numbered = "SELECT 1 FROM pg_stat_activity
            WHERE datname = current_database() AND backend_xid IS NOT NULL AND application_name = 'payout'";
        sqlx::query(numbered)
            .fetch_optional(&pool)
            .await
            .unwrap()
            .map(drop)
    })
    .await;
    drive::apply(&repository, &first).await;
    gate.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();

    let own: Vec<i64> = sqlx::query_scalar(
        "SELECT xmin::text::bigint FROM payout_events WHERE payout_id = $1 ORDER BY sequence",
    )
    .bind(payout.id().as_uuid())
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(own[1] < own[0], "the second edit has the smaller number: {own:?}");
    let last = drive::stored(&repository).await.id();
    let events = until(&repository, FeedPosition::START, last).await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.payout_id() == Some(payout.id()))
        .map(|event| {
            let told = event.payout().unwrap();
            (event.event_type, told.version, told.money.amount().to_string())
        })
        .collect();
    let expected = |event_type, version, amount: &str| (event_type, version, amount.to_owned());
    assert_eq!(
        told,
        [
            expected(EventType::Created, 1, "10.00"),
            expected(EventType::Edited, 2, "20.00"),
            expected(EventType::Edited, 3, "30.00"),
        ]
    );
}

/// A key that no transaction of a test comes near.
const FAR: i64 = 1 << 40;

/// Sets the key of a payout's latest event, as a transaction with a greater number would.
async fn put_far(pool: &PgPool, id: PayoutId) {
    sqlx::query("UPDATE payout_states SET feed_key = $2 WHERE id = $1")
        .bind(id.as_uuid())
        .bind(FAR)
        .execute(pool)
        .await
        .unwrap();
}

/// Asserts that the latest events of a payout, and its state, have the key.
async fn assert_far(pool: &PgPool, id: PayoutId, kinds: &[&str], what: &str) {
    let kept: i64 = sqlx::query_scalar("SELECT feed_key FROM payout_states WHERE id = $1")
        .bind(id.as_uuid())
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(kept, FAR, "the state after {what}");
    let far: Vec<String> = sqlx::query_scalar(
        "SELECT kind FROM payout_events WHERE payout_id = $1 AND feed_key = $2 ORDER BY sequence",
    )
    .bind(id.as_uuid())
    .bind(FAR)
    .fetch_all(pool)
    .await
    .unwrap();
    assert_eq!(far, kinds, "the events of {what}");
}

#[tokio::test]
async fn no_write_takes_a_key_below_the_payouts_latest() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;

    let payout = drive::stored(&repository).await;
    put_far(&pool, payout.id()).await;
    let edit = payout.clone().edit(payout.details().clone(), build::client());
    drive::apply(&repository, &edit.unwrap()).await;
    assert_far(&pool, payout.id(), &["edited"], "an edit").await;

    let claim = drive::claimed(&repository).await;
    put_far(&pool, claim.payout().id()).await;
    let id = claim.payout().id();
    drive::settled(&repository, claim, build::completed("ref")).await;
    assert_far(&pool, id, &["completed"], "a settlement").await;

    let id = drive::stored(&repository).await.id();
    drive::claim_when_due(&repository, id, Duration::ZERO).await;
    put_far(&pool, id).await;
    let claim = drive::claim_when_due(&repository, id, LONG_LEASE).await;
    assert_far(&pool, id, &["claimed"], "a takeover").await;
    repository
        .record_evidence(id, payout_core::payout::Evidence::EditRefused, &build::client())
        .await
        .unwrap();
    assert_far(&pool, id, &["claimed", "claimed", "edit_refused"], "a refusal").await;
    drop(claim);

    let id = drive::stored(&repository).await.id();
    let lost = drive::claim_when_due(&repository, id, Duration::ZERO).await;
    drive::claim_when_due(&repository, id, LONG_LEASE).await;
    put_far(&pool, id).await;
    drive::settle(&repository, lost, build::completed("late")).await;
    assert_far(&pool, id, &["claimed", "late_outcome"], "a late outcome").await;

    let claim = drive::claimed(&repository).await;
    let id = claim.payout().id();
    let verdict = Verdict::Completed {
        reference: build::reference("ref"),
        recheck_in: Some(Duration::ZERO),
    };
    drive::settled(&repository, claim, verdict).await;
    put_far(&pool, id).await;
    let returned = Recheck {
        id,
        generation: 0,
        finding: RecheckFinding::Returned(PaymentReturn {
            reference: None,
            reason: Failure::new("R02", "closed"),
            at: None,
            amount: None,
        }),
    };
    let settled = repository.settle_rechecks(&[returned], &Actor::new("w")).await;
    assert_eq!(settled.unwrap(), [true]);
    assert_far(&pool, id, &["returned"], "a recheck").await;

    let id = drive::stored(&repository).await.id();
    put_far(&pool, id).await;
    repository
        .presume_claimed(100, &Actor::new("restore"))
        .await
        .unwrap();
    assert_far(&pool, id, &["claimed"], "a presumed claim").await;
}

fn acme() -> ProviderName {
    ProviderName::new("acme").unwrap()
}

#[tokio::test]
async fn an_event_of_a_provider_waits_for_earlier_transactions_too() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let mut session = pool.begin().await.unwrap();
    let late = create_in(&mut session).await;
    repository
        .pause_provider(&acme(), &build::client())
        .await
        .unwrap();
    let start = FeedPosition::START;
    for _ in 0..5 {
        let page = repository.after(&after(start)).await.unwrap();
        assert_eq!((page.events, page.next), (vec![], start));
    }
    assert_eq!(repository.end().await.unwrap(), start);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(repository.delay().await.unwrap() >= Duration::from_millis(50));
    session.commit().await.unwrap();
    let events = drive::eventually("both are shown", async || {
        let page = repository.after(&after(start)).await.unwrap();
        (page.events.len() == 2).then_some(page.events)
    })
    .await;
    assert_eq!(events[0].payout_id(), Some(late));
    assert_eq!(events[1].event_type, EventType::ProviderPaused);
}

#[tokio::test]
async fn no_event_takes_a_key_below_its_subjects_latest() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    repository
        .pause_provider(&acme(), &build::client())
        .await
        .unwrap();
    for changed in [
        "UPDATE feed_events SET reason = 'x'",
        "DELETE FROM feed_events",
        "TRUNCATE feed_events",
    ] {
        let refused = sqlx::raw_sql(changed).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    let far = format!("ALTER TABLE feed_events DISABLE TRIGGER ALL; UPDATE feed_events SET feed_key = {FAR}");
    sqlx::raw_sql(AssertSqlSafe(far)).execute(&pool).await.unwrap();
    repository
        .resume_provider(&acme(), &build::client())
        .await
        .unwrap();
    let keys: Vec<(String, i64)> = sqlx::query_as("SELECT type, feed_key FROM feed_events ORDER BY sequence")
        .fetch_all(&pool)
        .await
        .unwrap();
    let expected = ["provider.paused", "provider.resumed"].map(|name| (name.to_owned(), FAR));
    assert_eq!(keys, expected);
}

/// Writers in eight connections with short and long transactions, of which some are rolled back and some lose their
/// connection, and eight more through the repository. Readers follow meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_follow_writers_that_commit_in_every_order() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool_of(9).await;
    let readers: Vec<_> = [3_u32, 1000]
        .into_iter()
        .map(|limit| {
            let feed = database.repository();
            tokio::spawn(async move { follow(feed, limit).await })
        })
        .collect();
    let sessions: Vec<_> = (0..8_u64)
        .map(|writer| {
            let pool = pool.clone();
            tokio::spawn(async move { write_in_sessions(&pool, writer).await })
        })
        .collect();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let repository = repository.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for number in 0..20 {
                    let payout = drive::stored(&repository).await;
                    ids.push(payout.id());
                    if number % 2 == 0 {
                        let claim = drive::claim_when_due(&repository, payout.id(), LONG_LEASE).await;
                        drive::settled(&repository, claim, build::failed()).await;
                    }
                }
                ids
            })
        })
        .collect();
    let mut written = Vec::new();
    for writer in sessions.into_iter().chain(calls) {
        written.extend(writer.await.unwrap());
    }
    let last = drive::store(&repository, build::amounting_to("0.001", "BHD"))
        .await
        .id();
    let everything = until(&repository, FeedPosition::START, last).await;
    let mut created: Vec<PayoutId> = everything
        .iter()
        .filter(|event| event.event_type == EventType::Created && event.payout_id() != Some(last))
        .filter_map(PublicEvent::payout_id)
        .collect();
    created.sort_unstable();
    written.sort_unstable();
    assert_eq!(created, written, "every committed creation once, and no other");
    for reader in readers {
        assert_eq!(reader.await.unwrap(), everything);
    }
}

/// Follows the feed until the payout in Bahraini dinars.
async fn follow(feed: PostgresRepository, limit: u32) -> Vec<PublicEvent> {
    let mut query = FeedQuery {
        limit,
        ..after(FeedPosition::START)
    };
    let mut events: Vec<PublicEvent> = Vec::new();
    while events
        .last()
        .is_none_or(|event| event.payout().unwrap().money.currency().code() != "BHD")
    {
        let page = feed.after(&query).await.unwrap();
        query.after = page.next;
        events.extend(page.events);
        if page.is_last {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    events
}

/// Returns what was committed. Durations come from a fixed sequence.
async fn write_in_sessions(pool: &PgPool, writer: u64) -> Vec<PayoutId> {
    let mut committed = Vec::new();
    for number in 0..20_u64 {
        let mut chance = (writer * 31 + number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut pause = async || {
            chance ^= chance >> 29;
            chance = chance.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            tokio::time::sleep(Duration::from_millis(if chance.is_multiple_of(8) {
                120
            } else {
                chance % 7
            }))
            .await;
        };
        let mut session = pool.acquire().await.unwrap().detach();
        sqlx::raw_sql("BEGIN; SELECT pg_current_xact_id()")
            .execute(&mut session)
            .await
            .unwrap();
        pause().await;
        let id = create_in(&mut session).await;
        pause().await;
        match number % 5 {
            0 => drop(session),
            1 => {
                sqlx::raw_sql("ROLLBACK").execute(&mut session).await.unwrap();
            }
            _ => {
                sqlx::raw_sql("COMMIT").execute(&mut session).await.unwrap();
                committed.push(id);
                session.close().await.unwrap();
            }
        }
    }
    committed
}

/// The rows come from a server with greater numbers of transactions. A reader that has read all of them goes on.
#[tokio::test]
async fn after_a_restore_into_another_server_the_feed_goes_on() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    repository.continue_feed().await.unwrap();
    assert_eq!(offset(&pool).await, 0, "nothing to do in the first server");

    let payout = drive::stored(&repository).await;
    for statement in [
        "INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, version, feed_key) \
         VALUES ('{id}', 0, 0, now(), 'edited', 'pending', 'another', 2, 1099511627776)",
        "UPDATE payout_states SET feed_key = 1099511627776, version = 2 WHERE id = '{id}'",
    ] {
        let statement = statement.replace("{id}", &payout.id().to_string());
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&pool)
            .await
            .unwrap();
    }
    let (one, other) = (database.repository(), database.repository());
    let (first, second) = tokio::join!(one.continue_feed(), other.continue_feed());
    first.and(second).unwrap();
    let raised = offset(&pool).await;
    assert!(raised > 0);

    let last = drive::stored(&repository).await.id();
    let events = until(&repository, FeedPosition::START, last).await;
    assert_eq!(payouts(&events), [payout.id(), payout.id(), last]);
    let positions: Vec<_> = events.iter().map(|event| event.position.major).collect();
    assert_eq!(positions[1], FAR.unsigned_abs());
    assert!(positions[2] > positions[1]);
    // An earlier payout's next event comes later too.
    let from = events[2].position;
    let found = drive::found(&repository, payout.id()).await;
    drive::apply(&repository, &found.cancel(build::client()).unwrap()).await;
    let marker = drive::stored(&repository).await.id();
    let news = until(&repository, from, marker).await;
    assert_eq!(payouts(&news), [payout.id(), marker]);

    repository.continue_feed().await.unwrap();
    assert_eq!(offset(&pool).await, raised, "raised once");
}

async fn offset(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT payout_feed_offset()")
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Rows from before the feed have no key and no version. They come first, in their own order.
#[tokio::test]
async fn rows_from_before_the_feed_are_shown_before_all_others() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let claim = drive::claimed(&repository).await;
    let old = claim.payout().id();
    let failed = drive::settled(&repository, claim, build::failed()).await;
    let newer = drive::stored(&repository).await.id();
    sqlx::raw_sql(
        "ALTER TABLE payout_details DISABLE TRIGGER ALL; ALTER TABLE payout_events DISABLE TRIGGER ALL;
        UPDATE payout_details SET feed_key = 0; UPDATE payout_states SET feed_key = 0;
        UPDATE payout_events SET feed_key = 0, version = NULL",
    )
    .execute(&pool)
    .await
    .unwrap();
    let now = repository.now().await.unwrap();
    let retried = drive::apply(&repository, &failed.retry(now, build::client()).unwrap()).await;
    let last = drive::stored(&repository).await.id();
    let events = until(&repository, FeedPosition::START, last).await;
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            let told = event.payout().unwrap();
            (told.id, event.event_type, told.version)
        })
        .collect();
    let mut creations = [(old, EventType::Created, 1), (newer, EventType::Created, 1)];
    creations.sort_by_key(|(id, ..)| *id);
    assert_eq!(told[..2], creations);
    assert_eq!(
        told[2..],
        [
            (old, EventType::Processing, 2),
            (old, EventType::Failed, 3),
            (old, EventType::Retried, retried.version()),
            (last, EventType::Created, 1),
        ]
    );
}
