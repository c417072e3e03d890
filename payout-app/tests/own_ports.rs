//! The service with a program's own ports. The example project's ports are compiled here too, so a change of a port
//! that they do not follow fails in the workspace. Each passes the contract suite of its port.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking, and the modules are another crate's"
)]

use std::sync::Arc;

use payout_app::settings::Database;
use payout_app::{AppError, Config, Service};
use payout_core::access::Scope;
use payout_core::money::Money;
use payout_core::payout::{Caller, PaymentDetails, Recipient, RecipientAccount, RecipientName, Status};
use payout_core::ports::{JobQueue, PayoutRepository, Processor};

#[path = "../../examples/own-ports/src/processor.rs"]
mod processor;
#[path = "../../examples/own-ports/src/queue.rs"]
mod queue;
#[path = "../../examples/own-ports/src/repository.rs"]
mod repository;

async fn a_processor() -> Arc<dyn Processor> {
    Arc::new(processor::Bank::default())
}

async fn a_queue() -> Arc<dyn JobQueue> {
    Arc::new(queue::Line::default())
}

async fn a_repository() -> Arc<dyn PayoutRepository> {
    Arc::new(repository::Shelf::default())
}

mod contracts {
    payout_core::processor_contract!(super::a_processor);
    payout_core::queue_contract!(super::a_queue);
    payout_core::repository_contract!(super::a_repository);
}

fn config() -> Config {
    Config {
        bind: "127.0.0.1:0".parse().unwrap(),
        database: Database::Memory,
        ..Config::default()
    }
}

fn details() -> PaymentDetails {
    PaymentDetails::new(
        Money::new("10.50".parse().unwrap(), "USD".parse().unwrap()).unwrap(),
        Recipient::new(
            RecipientAccount::new("DE89370400440532013000").unwrap(),
            RecipientName::new("Ada Lovelace").unwrap(),
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_own_processor_is_the_one_that_pays() {
    let bank = Arc::new(processor::Bank::default());
    let service = Service::new(config()).processor(bank.clone());
    let mut running = service.start().await.unwrap();
    running.ready().await.unwrap();
    let payouts = running.payouts();
    let created = payouts
        .create(details(), None, Caller::named("me"))
        .await
        .unwrap();
    let id = created.payout.id();
    while payouts.get(id).await.unwrap().status() != Status::Completed {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(bank.payments(), 1);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_own_repository_and_queue_are_the_ones_that_are_used() {
    let (shelf, line) = (
        Arc::new(repository::Shelf::default()),
        Arc::new(queue::Line::default()),
    );
    let service = Service::new(config()).repository(shelf.clone()).queue(line);
    let mut running = service.start().await.unwrap();
    running.ready().await.unwrap();
    let created = running
        .payouts()
        .create(details(), None, Caller::named("me"))
        .await
        .unwrap();
    assert!(shelf.find(created.payout.id()).await.unwrap().is_some());
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_makes_its_first_api_key_itself() {
    let mut running = Service::new(config()).start().await.unwrap();
    running.ready().await.unwrap();
    let keys = running.api_keys();
    let name = "shop".parse().unwrap();
    let (key, token) = keys
        .create(name, [Scope::Read].into_iter().collect(), None, None, None)
        .await
        .unwrap();
    assert_eq!(key.name.as_str(), "shop");
    assert!(token.expose().starts_with("payout_"));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_said_once_and_ends_what_waits_for_it() {
    let open_to_all = Config {
        bind: "0.0.0.0:0".parse().unwrap(),
        ..config()
    };
    let mut running = Service::new(open_to_all.clone()).start().await.unwrap();
    assert!(matches!(running.ready().await, Err(AppError::Open(_))));
    let again = tokio::time::timeout(std::time::Duration::from_millis(50), running.failed());
    assert!(again.await.is_err(), "it was said already");
    running.shutdown().await;
    let running = Service::new(open_to_all).start().await.unwrap();
    let ended = running.run_until(std::future::pending::<()>()).await;
    assert!(matches!(ended, Err(AppError::Open(_))));
}

#[test]
fn the_pages_show_the_examples_as_they_are() {
    for (page, example) in [
        (
            include_str!("../../docs/writing-a-processor.md"),
            include_str!("../../examples/own-ports/src/processor.rs"),
        ),
        (
            include_str!("../../docs/writing-a-queue.md"),
            include_str!("../../examples/own-ports/src/queue.rs"),
        ),
    ] {
        let first = example.lines().next().unwrap_or_default();
        assert!(
            page.contains(&format!("```rust\n{example}```")),
            "a page does not show: {first}"
        );
    }
}
