//! The cases for a `BulkActionRepository`: the lives of actions, their leases, and their pages.

use std::time::Duration;

use chrono::TimeDelta;

use super::build;
use crate::Timestamp;
use crate::bulk::{
    BulkAction, BulkActionId, BulkFilter, BulkPlace, BulkStarter, BulkStep, NewBulkAction, PlannedPayout,
};
use crate::payout::Actor;
use crate::ports::{BulkActionRepository, BulkPage, HeldBulkAction, System};

pub mod leases;
pub mod lives;
pub mod pages;

/// Returns a time in whole seconds since 1970.
fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// Makes an action. A later one has a greater id.
fn new_action(seconds: i64) -> NewBulkAction {
    NewBulkAction {
        id: BulkActionId::generate(at(seconds), &System::default()),
        step: BulkStep::Retry,
        filter: BulkFilter::new("status=failed&currency=EUR").unwrap(),
        starter: BulkStarter {
            name: Actor::new("ada"),
            api_key: Some(build::fresh_api_key()),
        },
        reason: Some("The provider had an outage.".to_owned()),
        counted_at: at(1_000),
        matched: 5,
    }
}

async fn started(port: &dyn BulkActionRepository) -> BulkAction {
    port.start_bulk(&new_action(1)).await.unwrap()
}

fn worker(number: u8) -> Actor {
    Actor::new(&format!("worker-{number}"))
}

/// Leases the only action that is free.
async fn held(port: &dyn BulkActionRepository, lease: Duration) -> HeldBulkAction {
    let held = port.lease_bulk(&worker(1), lease).await.unwrap();
    held.expect("there is an action, and it is free")
}

/// Makes a page of payouts that are planned at these versions.
fn page(versions: &[u64]) -> BulkPage {
    let payouts: Vec<PlannedPayout> = versions
        .iter()
        .map(|version| PlannedPayout {
            payout: build::fresh_id(),
            version: *version,
        })
        .collect();
    let place = BulkPlace {
        created_at: at(500),
        payout: payouts.last().unwrap().payout,
    };
    BulkPage { payouts, place }
}
