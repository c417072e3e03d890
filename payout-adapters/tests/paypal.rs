//! The PayPal processor against the stand-in for PayPal, which keeps PayPal's rules right and wrong.
#![cfg(feature = "paypal")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use payout_core::contract::Fixture;
use payout_core::ports::Processor;

#[path = "paypal/answers.rs"]
mod answers;
#[path = "paypal/lost_answers.rs"]
mod lost_answers;
#[path = "paypal/notifications.rs"]
mod notifications;
#[path = "paypal/support.rs"]
mod support;
#[path = "paypal/tokens.rs"]
mod tokens;

async fn for_the_contract() -> Fixture<dyn Processor> {
    let system = support::System::start().await;
    let processor: Arc<dyn Processor> = Arc::new(system.processor());
    Fixture::from((processor, system))
}

mod contract {
    payout_core::processor_contract!(super::for_the_contract);
}
