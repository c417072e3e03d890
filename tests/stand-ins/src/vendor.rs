//! The rules of one vendor's API.

use async_trait::async_trait;

use crate::http::{Reply, Request};
use crate::ledger::Payment;
use crate::notifier::Push;
use crate::setup::Setup;
use crate::shared::Shared;

/// The rules of one vendor's API.
#[async_trait]
pub trait Vendor: Send + Sync + 'static {
    /// Returns the name, as `--provider` has it.
    fn name(&self) -> &'static str;

    /// Returns the keys with which the service calls the stand-in at this address.
    fn setup(&self, url: &str) -> Setup;

    /// Handles a request. It is carried out to its end even if the caller hangs up meanwhile.
    async fn answer(&self, request: Request, shared: &Shared) -> Reply;

    /// Builds the notification of a change of a payment. `None` where the vendor sends none.
    ///
    /// A forged one differs from a genuine one in its signature alone.
    fn notification(&self, payment: &Payment, forged: bool) -> Option<Push>;
}
