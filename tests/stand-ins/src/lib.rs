//! Stand-ins for real payment providers. Each keeps the rules of one vendor's API, the awkward ones too, and a durable
//! ledger of what it paid.
//!
//! A [`StandIn`] serves a [`Vendor`]'s API over HTTP. The vendor's module reads requests and writes answers; everything
//! else is shared: the [`ledger`], the faults that are drawn from a seed ([`faults`]), the notifications that are pushed
//! ([`notifier`]), and two paths that no vendor has: `GET /_ledger` for judges and `POST /_control` for drills and tests.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use payout_stand_ins::{StandIn, StandInSettings, adyen::Adyen};
//!
//! let stand_in = StandIn::start(Adyen::default(), StandInSettings::default()).await?;
//! println!("{}", stand_in.url());
//! # Ok(())
//! # }
//! ```

pub mod adyen;
pub mod faults;
pub mod http;
pub mod ledger;
pub mod notifier;
pub mod paypal;
pub mod stripe;

mod chance;
mod clock;
mod control;
mod server;
mod setup;
mod shared;
mod vendor;

pub use chance::Chance;
pub use clock::{Time, now};
pub use server::{StandIn, StandInSettings};
pub use setup::Setup;
pub use shared::Shared;
pub use vendor::Vendor;
