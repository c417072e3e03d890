//! Makes payouts, requests and verdicts, each valid and no two the same.

use std::time::Duration;

use crate::Timestamp;
use crate::access::{ApiKeyId, KeyDigest, KeyName, NewApiKey, Scope, Scopes, SecretId, TokenDigest};
use crate::attempt::Verdict;
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::money::{Currency, Money};
use crate::payout::{
    Actor, Caller, Change, Description, Due, EventKind, Failure, ForeignPayout, NewPayout, PaymentDetails,
    Payout, PayoutId, ProviderReference, Recipient, RecipientAccount, RecipientName, Standing, Status,
};
use crate::ports::{ClaimRequest, Clock, Randomness, System};
use crate::provider::{Instruction, ProcessorKey};
use crate::spending::{Charge, MoneyLimits};

/// A lease that does not end during a case.
pub const LONG_LEASE: Duration = Duration::from_secs(600);

/// A lease that a case waits out.
pub const SHORT_LEASE: Duration = Duration::from_millis(150);

/// An amount of a currency, also of one in which nobody is paid any more.
///
/// # Panics
/// When it is none.
pub fn money(amount: &str, currency: &str) -> Money {
    Money::new(amount.parse().unwrap(), Currency::recorded(currency).unwrap()).unwrap()
}

/// A fresh id.
pub fn fresh_id() -> PayoutId {
    let system = System::default();
    PayoutId::generate(system.now(), &system)
}

/// A short text that no other test has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:016x}", System::default().next_u64())
}

/// Ada Lovelace, with an account that no other test has.
///
/// # Panics
/// Never.
pub fn recipient() -> Recipient {
    Recipient {
        account: RecipientAccount::new(&unique("ACC")).unwrap(),
        name: RecipientName::new("Ada Lovelace").unwrap(),
    }
}

/// A recipient of this account and this name.
///
/// # Panics
/// When one is invalid.
pub fn recipient_of(account: &str, name: &str) -> Recipient {
    Recipient {
        account: RecipientAccount::new(account).unwrap(),
        name: RecipientName::new(name).unwrap(),
    }
}

/// A payment of 10.50 USD to an account of its own.
///
/// # Panics
/// Never.
pub fn details() -> PaymentDetails {
    PaymentDetails {
        description: Description::new("Invoice 7").unwrap(),
        ..PaymentDetails::new(money("10.50", "USD"), recipient())
    }
}

/// A payout of 10.50 USD that another service created at this time.
pub fn foreign(standing: Standing, created_at: Timestamp) -> ForeignPayout {
    ForeignPayout {
        id: fresh_id(),
        details: details(),
        standing,
        created_at,
        updated_at: created_at,
        actor: Actor::new("import"),
        detail: "From another service.".to_owned(),
    }
}

/// A payout of 10.50 USD, due at once, without an idempotency key.
pub fn new_payout() -> NewPayout {
    of_details(details())
}

/// A payout of these details, due at once, without an idempotency key.
pub fn of_details(details: PaymentDetails) -> NewPayout {
    NewPayout {
        id: fresh_id(),
        details,
        scheduled_at: None,
        caller: client(),
        request: None,
        charge: None,
    }
}

/// A payout to this recipient.
///
/// # Panics
/// When the name is none.
pub fn paid_to(name: &str) -> NewPayout {
    let mut details = details();
    details.recipient.name = RecipientName::new(name).unwrap();
    of_details(details)
}

/// A payout of this amount.
///
/// # Panics
/// When the amount is none.
pub fn amounting_to(amount: &str, currency: &str) -> NewPayout {
    of_details(PaymentDetails {
        money: money(amount, currency),
        ..details()
    })
}

/// An API key's id that no other test has.
pub fn fresh_api_key() -> ApiKeyId {
    ApiKeyId::from(fresh_id().as_uuid())
}

/// What an edit from one amount to another takes from a key's day, of which `per_day` is the limit.
///
/// # Panics
/// When that is none.
pub fn charge_of_edit(before: Money, after: Money, per_day: &str, api_key: ApiKeyId) -> Option<Charge> {
    let limits: MoneyLimits = format!("{}=/{per_day}", after.currency()).parse().unwrap();
    limits.of_edit(before, after, Some(api_key)).unwrap()
}

/// A payout of this amount by an API key whose payouts of a day may come to `per_day`.
///
/// # Panics
/// When either is no amount.
pub fn charged(amount: &str, currency: &str, per_day: &str, api_key: ApiKeyId) -> NewPayout {
    let new = amounting_to(amount, currency);
    let limits: MoneyLimits = format!("{currency}=/{per_day}").parse().unwrap();
    NewPayout {
        charge: limits.of_new(new.details.money, Some(api_key)).unwrap(),
        caller: client().with_api_key(api_key),
        ..new
    }
}

/// A payout under this idempotency key.
pub fn keyed(key: &ScopedKey) -> NewPayout {
    under(key, new_payout())
}

/// The same payout under this idempotency key.
pub fn under(key: &ScopedKey, new: NewPayout) -> NewPayout {
    let fingerprint = Fingerprint::of_create(&new.details);
    let key = key.clone();
    NewPayout {
        request: Some(IdempotentRequest { key, fingerprint }),
        ..new
    }
}

/// A client's idempotency key that no other test has.
///
/// # Panics
/// Never.
pub fn fresh_client_key() -> IdempotencyKey {
    IdempotencyKey::new(&unique("key")).unwrap()
}

/// The same as the store knows it, of a caller without an API key.
pub fn fresh_key() -> ScopedKey {
    ScopedKey::new(None, &fresh_client_key())
}

/// A client in a request, without a reason.
pub fn client() -> Caller {
    Caller::named("client").in_request(&unique("req"))
}

/// An operator in a request, with a reason.
pub fn operator(reason: &str) -> Caller {
    Caller::named("operator")
        .in_request(&unique("req"))
        .because(reason)
}

/// A sweep for up to `limit` payouts.
pub fn sweep(limit: u32, lease: Duration) -> ClaimRequest {
    ClaimRequest {
        only: None,
        limit,
        lease,
        quiet_after: lease + lease / 3,
        worker: Actor::new("worker-1"),
    }
}

/// A claim of these payouts only.
///
/// # Panics
/// When there are more than `u32::MAX`.
pub fn only(ids: &[PayoutId], lease: Duration) -> ClaimRequest {
    ClaimRequest {
        only: Some(ids.to_vec()),
        ..sweep(u32::try_from(ids.len()).unwrap(), lease)
    }
}

/// The deletion of a payout that no worker is at, whatever became of it: as earlier releases let be deleted what was sent.
///
/// # Panics
/// When a worker is at it.
pub fn deletion(payout: &Payout) -> Change {
    assert!(payout.status() != Status::Processing, "a worker is at it");
    let mut parts = payout.parts().clone();
    (parts.version, parts.due_at) = (parts.version + 1, None);
    Change {
        expected_version: payout.version(),
        after: Payout::restore_deleted(parts).unwrap(),
        deleted: true,
        due: Due::Never,
        event: EventKind::Deleted,
        caller: client(),
        charge: None,
    }
}

/// The provider's name for a payment.
///
/// # Panics
/// When it is blank.
pub fn reference(text: &str) -> ProviderReference {
    ProviderReference::new(text).unwrap()
}

/// The provider paid.
pub fn completed(reference_text: &str) -> Verdict {
    Verdict::Completed {
        reference: reference(reference_text),
    }
}

/// The provider declined for good.
pub fn failed() -> Verdict {
    Verdict::Failed(Failure::new(
        "insufficient_funds",
        "The account has not enough money.",
    ))
}

/// The provider will settle later.
pub fn accepted(reference_text: &str, after: Duration) -> Verdict {
    Verdict::Accepted {
        reference: reference(reference_text),
        after,
    }
}

/// Nothing definite was learnt.
pub fn postponed(after: Duration) -> Verdict {
    Verdict::Postponed {
        why: "no answer to rely on: a timeout".to_owned(),
        after,
        uses_attempt: true,
    }
}

/// The provider said *not now*, and an earlier call may have arrived.
pub fn put_off(after: Duration) -> Verdict {
    Verdict::Postponed {
        why: "refused for now: the provider answered 429".to_owned(),
        after,
        uses_attempt: false,
    }
}

/// Nothing was ever sent.
pub fn released(after: Duration) -> Verdict {
    Verdict::Released {
        why: "nothing was sent: connection refused".to_owned(),
        after,
    }
}

/// A person must look.
pub fn review() -> Verdict {
    Verdict::Review {
        why: "The attempts are used up.".to_owned(),
    }
}

/// An instruction to pay 10.50 USD, under a key that no other test has.
pub fn instruction() -> Instruction {
    let payout_id = fresh_id();
    Instruction {
        key: ProcessorKey::new(payout_id, None, 0),
        payout_id,
        details: details(),
    }
}

/// A key of this name that opens everything, with a token that no other test has.
///
/// # Panics
/// When the name is none.
pub fn new_key(name: &str) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId::from(fresh_id().as_uuid()),
        name: KeyName::new(name).unwrap(),
        scopes: Scopes::all(),
        expires_at: None,
        digest: key_digest(),
        succeeds: None,
    }
}

/// The digest of a token that no other test has.
pub fn key_digest() -> KeyDigest {
    let mut digest = [7; 32];
    digest[..16].copy_from_slice(fresh_id().as_uuid().as_bytes());
    KeyDigest {
        token: TokenDigest::from(digest),
        secret: SecretId::from([7; 8]),
    }
}

/// Every set of scopes but for the empty one.
pub fn every_scopes() -> Vec<Scopes> {
    (1..1_u32 << Scope::ALL.len())
        .map(|bits| {
            let chosen = |place: &usize| bits & (1 << place) != 0;
            (0..Scope::ALL.len())
                .filter(chosen)
                .map(|place| Scope::ALL[place])
                .collect()
        })
        .collect()
}
