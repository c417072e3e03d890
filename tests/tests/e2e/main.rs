//! The whole service over HTTP, by `http.md` and `protocol.md`: the real binary, on SQLite, and on PostgreSQL with
//! Redis.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

mod altered;
mod amounts;
mod approvals;
mod bodies;
mod canary;
mod console;
mod counts;
mod create;
mod currencies;
mod docs_pages;
mod doctor;
mod edit;
mod encryption;
mod events;
mod failover;
mod feed;
mod first_steps;
mod health;
mod idempotency;
mod if_match;
mod injection;
mod keys;
mod limits;
mod list;
mod locks;
mod masks;
mod money_limits;
mod outages;
mod pages;
mod paying_many;
mod problems;
mod processes;
mod provider;
mod races;
mod reconcile;
mod refusals;
mod restored;
mod same_payment;
mod schema;
mod service_manager;
mod settings;
mod settings_in_force;
mod steps;
mod storage;
mod takeover;
mod unusable;
mod webhooks;
