//! The cases for a repository whose payouts have providers: claims by provider, rechecks, hints, and the state of
//! providers.

use crate::payout::{NewPayout, Payout};
use crate::ports::{ClaimRequest, PayoutRepository, ProviderRepository, RecheckRepository};
use crate::provider::ProviderName;

use super::{build, drive};

pub mod hints;
pub mod lanes;
pub mod rechecks;
pub mod states;

/// A repository that also stores rechecks and the state of providers.
pub trait Routed: PayoutRepository + RecheckRepository + ProviderRepository {}

impl<T: PayoutRepository + RecheckRepository + ProviderRepository> Routed for T {}

/// Makes a provider's name.
fn provider(name: &str) -> ProviderName {
    ProviderName::new(name).unwrap()
}

/// Makes a payout of a provider.
fn new_of(name: &str) -> NewPayout {
    NewPayout {
        provider: Some(provider(name)),
        ..build::new_payout()
    }
}

/// Makes a sweep for the payouts of a provider.
fn sweep_of(name: &str) -> ClaimRequest {
    ClaimRequest {
        provider: Some(provider(name)),
        ..build::sweep(100, build::LONG_LEASE)
    }
}

/// Stores a payout of a provider that is completed, and to be rechecked after this time.
async fn completed_of(port: &dyn Routed, name: &str, recheck_in: std::time::Duration) -> Payout {
    let id = drive::store(port, new_of(name)).await.id();
    let claim = port.claim(&sweep_of(name)).await.unwrap().won.remove(0);
    assert_eq!(claim.payout().id(), id);
    let verdict = crate::attempt::Verdict::Completed {
        reference: build::reference(&build::unique("ref")),
        recheck_in: Some(recheck_in),
    };
    drive::settled(port, claim, verdict).await
}
