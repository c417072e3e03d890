//! Builders of payouts, requests and verdicts, each valid and different from all others.

use std::time::Duration;

use crate::Timestamp;
use crate::access::{ApiKeyId, KeyDigest, KeyName, NewApiKey, Scope, Scopes, SecretId, TokenDigest};
use crate::approval::ApprovalRequest;
use crate::attempt::Verdict;
use crate::batch::{BatchId, BatchPlace};
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::money::{Currency, Money};
use crate::payout::{
    Actor, BankAccountNumber, Caller, Change, Description, Due, EmailAddress, EventKind, Failure,
    ForeignPayout, GbAccountNumber, Iban, NewPayout, PaymentDetails, Payout, PayoutId, PhoneNumber,
    ProviderAccountId, ProviderKey, ProviderReference, Recipient, RecipientAccount, RecipientName,
    RecipientType, RoutingNumber, SortCode, Standing, Status, TypedAccount, UsAccountType,
};
use crate::ports::{ClaimRequest, Clock, Randomness, System};
use crate::provider::{Capabilities, Instruction, ProcessorKey, ProviderName, WaitReason};
use crate::spending::{Charge, MoneyLimits};
use crate::stored_recipient::RecipientId;

/// A lease that does not expire during a case.
pub const LONG_LEASE: Duration = Duration::from_secs(600);

/// A lease short enough for a case to wait until it expires.
pub const SHORT_LEASE: Duration = Duration::from_millis(150);

/// Makes an amount of a currency. The currency may be one that is no longer paid out.
///
/// # Panics
/// If the amount or the currency is not valid.
pub fn money(amount: &str, currency: &str) -> Money {
    Money::new(amount.parse().unwrap(), Currency::recorded(currency).unwrap()).unwrap()
}

/// Makes a new id.
pub fn fresh_id() -> PayoutId {
    let system = System::default();
    PayoutId::generate(system.now(), &system)
}

/// Makes a stored recipient's id that no other test has.
pub fn fresh_recipient_id() -> RecipientId {
    RecipientId::from(fresh_id().as_uuid())
}

/// Makes a short text that no other test has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:016x}", System::default().next_u64())
}

/// Makes a recipient, Ada Lovelace, with an account that no other test has.
///
/// # Panics
/// Never.
pub fn recipient() -> Recipient {
    recipient_of(&unique("ACC"), "Ada Lovelace")
}

/// Makes a recipient with this account and this name.
///
/// # Panics
/// If either is not valid.
pub fn recipient_of(account: &str, name: &str) -> Recipient {
    Recipient::new(
        RecipientAccount::new(account).unwrap(),
        RecipientName::new(name).unwrap(),
    )
}

/// Makes a payment of 10.50 USD to an account of its own.
///
/// # Panics
/// Never.
pub fn details() -> PaymentDetails {
    PaymentDetails {
        description: Description::new("Invoice 7").unwrap(),
        ..PaymentDetails::new(money("10.50", "USD"), recipient())
    }
}

/// Makes a payout of 10.50 USD that another service created at this time.
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

/// Makes a payout of 10.50 USD, due at once, without an idempotency key.
pub fn new_payout() -> NewPayout {
    of_details(details())
}

/// Makes a payout with these details, due at once, without an idempotency key.
pub fn of_details(details: PaymentDetails) -> NewPayout {
    NewPayout {
        id: fresh_id(),
        details,
        batch: None,
        caller: client(),
        request: None,
        charge: None,
        provider: None,
        approval: None,
    }
}

/// Makes a payout whose amount requires the approval of this number of people, for this caller.
pub fn held(required: u8, creator: &Caller) -> NewPayout {
    let new = new_payout();
    NewPayout {
        approval: Some(Box::new(ApprovalRequest {
            creator: creator.person(),
            required,
            duplicates_within: None,
            duplicate_of: None,
        })),
        caller: creator.clone(),
        ..new
    }
}

/// Makes the repository look for a likely duplicate of a payout, this far back.
pub fn looking_for_duplicates(within: Duration, new: NewPayout) -> NewPayout {
    NewPayout {
        approval: Some(Box::new(ApprovalRequest {
            creator: new.caller.person(),
            required: 0,
            duplicates_within: Some(within),
            duplicate_of: None,
        })),
        ..new
    }
}

/// Makes the place of a payout in a batch of its own.
pub fn place_in_batch() -> BatchPlace {
    BatchPlace {
        id: BatchId::from(fresh_id().as_uuid()),
        provider_key: ProviderKey::from(fresh_id().as_uuid()),
    }
}

/// Makes a payout of 10.50 USD that is due at this time.
pub fn scheduled(at: Timestamp) -> NewPayout {
    of_details(PaymentDetails {
        scheduled_at: Some(at),
        ..details()
    })
}

/// Makes a payout to a recipient with this name.
///
/// # Panics
/// If the name is not valid.
pub fn paid_to(name: &str) -> NewPayout {
    let mut details = details();
    details.recipient = recipient_of(details.recipient.account().as_str(), name);
    of_details(details)
}

/// Makes a payout of this amount.
///
/// # Panics
/// If the amount or the currency is not valid.
pub fn amounting_to(amount: &str, currency: &str) -> NewPayout {
    of_details(PaymentDetails {
        money: money(amount, currency),
        ..details()
    })
}

/// Makes an API key's id that no other test has.
pub fn fresh_api_key() -> ApiKeyId {
    ApiKeyId::from(fresh_id().as_uuid())
}

/// Makes the limits of these currencies: the maximum of one payout, and that of a day; `*` is every other currency.
///
/// # Panics
/// If the limits are not valid.
pub fn limits(entries: &[(&str, Option<&str>, Option<&str>)]) -> MoneyLimits {
    let amount = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let entries = entries.iter();
    entries.fold(
        MoneyLimits::default(),
        |limits, (currency, per_payout, per_day)| {
            let (per_payout, per_day) = (amount(*per_payout), amount(*per_day));
            let more = match *currency {
                "*" => limits.with_others(per_payout, per_day),
                code => limits.with(Currency::recorded(code).unwrap(), per_payout, per_day),
            };
            more.unwrap()
        },
    )
}

/// Returns the charge of an edit from one amount to another by a key with the daily limit `per_day`.
///
/// # Panics
/// If the limit is not valid.
pub fn charge_of_edit(before: Money, after: Money, per_day: &str, api_key: ApiKeyId) -> Option<Charge> {
    limits(&[(after.currency().code(), None, Some(per_day))])
        .of_edit(before, after, Some(api_key))
        .unwrap()
}

/// Makes a payout by an API key with the daily limit `per_day`.
///
/// # Panics
/// If the amount or the limit is not valid.
pub fn charged(amount: &str, currency: &str, per_day: &str, api_key: ApiKeyId) -> NewPayout {
    let new = amounting_to(amount, currency);
    let limits = limits(&[(currency, None, Some(per_day))]);
    NewPayout {
        charge: limits.of_new(new.details.money, Some(api_key)).unwrap(),
        caller: client().with_api_key(api_key),
        ..new
    }
}

/// Makes a payout under this idempotency key.
pub fn keyed(key: &ScopedKey) -> NewPayout {
    under(key, new_payout())
}

/// Adds this idempotency key to a payout.
pub fn under(key: &ScopedKey, new: NewPayout) -> NewPayout {
    let fingerprint = Fingerprint::of_create(&new.details);
    let key = key.clone();
    NewPayout {
        request: Some(IdempotentRequest { key, fingerprint }),
        ..new
    }
}

/// Makes a client's idempotency key that no other test has.
///
/// # Panics
/// Never.
pub fn fresh_client_key() -> IdempotencyKey {
    IdempotencyKey::new(&unique("key")).unwrap()
}

/// Makes an idempotency key in the scope of callers without an API key, which no other test has.
pub fn fresh_key() -> ScopedKey {
    ScopedKey::new(None, &fresh_client_key())
}

/// Makes a client as the caller of a request, without a reason.
pub fn client() -> Caller {
    Caller::named("client").in_request(&unique("req"))
}

/// Makes an operator as the caller of a request, with a reason.
pub fn operator(reason: &str) -> Caller {
    Caller::named("operator")
        .in_request(&unique("req"))
        .because(reason)
}

/// Makes a sweep for up to `limit` payouts.
pub fn sweep(limit: u32, lease: Duration) -> ClaimRequest {
    ClaimRequest {
        provider: None,
        unsent_only: false,
        only: None,
        limit,
        lease,
        calls_end_after: lease + lease / 3,
        worker: Actor::new("worker-1"),
    }
}

/// Makes a claim of exactly these payouts.
///
/// # Panics
/// If there are more than `u32::MAX`.
pub fn only(ids: &[PayoutId], lease: Duration) -> ClaimRequest {
    ClaimRequest {
        provider: None,
        unsent_only: false,
        only: Some(ids.to_vec()),
        ..sweep(u32::try_from(ids.len()).unwrap(), lease)
    }
}

/// Makes the deletion of a payout that is not processing, even of one that was sent: earlier releases allowed that.
///
/// # Panics
/// If the payout is processing.
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
        approval: None,
        duplicates_within: None,
    }
}

/// Makes a provider's reference.
///
/// # Panics
/// If the text is blank.
pub fn reference(text: &str) -> ProviderReference {
    ProviderReference::new(text).unwrap()
}

/// Makes the verdict that the provider paid.
pub fn completed(reference_text: &str) -> Verdict {
    Verdict::Completed {
        reference: reference(reference_text),
        recheck_in: None,
    }
}

/// Makes the verdict that the provider declined permanently.
pub fn failed() -> Verdict {
    Verdict::Failed(Failure::new(
        "insufficient_funds",
        "The account has not enough money.",
    ))
}

/// Makes the verdict that the provider accepted and will settle later.
pub fn accepted(reference_text: &str, after: Duration) -> Verdict {
    Verdict::Accepted {
        reference: reference(reference_text),
        after,
    }
}

/// Makes the verdict after no definite answer.
pub fn postponed(after: Duration) -> Verdict {
    Verdict::Postponed {
        why: "no answer to rely on: a timeout".to_owned(),
        after,
        uses_attempt: true,
        waiting_for: None,
    }
}

/// Makes the verdict that the provider answered *not now*, although an earlier call may have arrived.
pub fn put_off(after: Duration) -> Verdict {
    Verdict::Postponed {
        why: "refused for now: the provider answered 429".to_owned(),
        after,
        uses_attempt: false,
        waiting_for: Some(WaitReason::Provider),
    }
}

/// Makes the verdict that nothing was ever sent.
pub fn released(after: Duration) -> Verdict {
    Verdict::Released {
        why: "nothing was sent: connection refused".to_owned(),
        after,
        waiting_for: Some(WaitReason::Provider),
        provider: None,
    }
}

/// Makes the verdict that an operator must review the payout.
pub fn review() -> Verdict {
    Verdict::Review {
        why: "The attempts are used up.".to_owned(),
    }
}

/// Makes an instruction to pay 10.50 USD, under a key that no other test has.
pub fn instruction() -> Instruction {
    let payout_id = fresh_id();
    Instruction {
        key: ProcessorKey::new(payout_id, None, 0),
        payout_id,
        details: details(),
    }
}

/// Makes an instruction that a provider with these capabilities can pay, under a key that no other test has: of the
/// first type of recipient and, among its currencies, of the one that suits that type.
///
/// # Panics
/// If the provider can pay no type of recipient, or no currency.
pub fn payable(capabilities: &Capabilities) -> Instruction {
    let any = |kinds: &Vec<RecipientType>| kinds.contains(&RecipientType::Account);
    let kind = match &capabilities.recipients {
        Some(kinds) if !any(kinds) => *kinds.first().expect("a type of recipient"),
        Some(_) | None => RecipientType::Account,
    };
    let wanted = match kind {
        RecipientType::Iban => "EUR",
        RecipientType::GbBank => "GBP",
        RecipientType::Account
        | RecipientType::UsBank
        | RecipientType::Email
        | RecipientType::Phone
        | RecipientType::ProviderAccount => "USD",
    };
    let wanted = Currency::recorded(wanted).unwrap();
    let currency = match &capabilities.currencies {
        Some(paid) if !paid.contains(&wanted) => *paid.first().expect("a currency"),
        Some(_) | None => wanted,
    };
    let amount = if currency.minor_units() == 0 { "10" } else { "10.5" };
    let mut instruction = instruction();
    instruction.details.money = money(amount, currency.code());
    instruction.details.recipient = recipient_of_type(kind, capabilities.kind);
    instruction
}

/// Makes a recipient of this type, Ada Lovelace. An account at a provider is at the named one.
///
/// # Panics
/// If `provider` is not the name of a provider.
pub fn recipient_of_type(kind: RecipientType, provider: &str) -> Recipient {
    let typed = match kind {
        RecipientType::Account => return recipient(),
        RecipientType::Iban => TypedAccount::Iban {
            iban: Iban::new("DE89370400440532013000").unwrap(),
            bic: None,
        },
        RecipientType::UsBank => TypedAccount::UsBank {
            routing_number: RoutingNumber::new("011000138").unwrap(),
            account_number: BankAccountNumber::new("123456789").unwrap(),
            account_type: UsAccountType::Checking,
        },
        RecipientType::GbBank => TypedAccount::GbBank {
            sort_code: SortCode::new("560036").unwrap(),
            account_number: GbAccountNumber::new("40308669").unwrap(),
        },
        RecipientType::Email => TypedAccount::Email(EmailAddress::new("ada@example.com").unwrap()),
        RecipientType::Phone => TypedAccount::Phone(PhoneNumber::new("+14155550100").unwrap()),
        RecipientType::ProviderAccount => TypedAccount::ProviderAccount {
            provider: ProviderName::new(provider).unwrap(),
            id: ProviderAccountId::new("acct_1032D82eZvKYlo2C").unwrap(),
        },
    };
    Recipient::typed(typed, RecipientName::new("Ada Lovelace").unwrap())
}

/// Makes an API key of this name with all scopes, and with a token that no other test has.
///
/// # Panics
/// If the name is not valid.
pub fn new_key(name: &str) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId::from(fresh_id().as_uuid()),
        name: KeyName::new(name).unwrap(),
        scopes: Scopes::all(),
        expires_at: None,
        digest: key_digest(),
        succeeds: None,
        owner: None,
    }
}

/// Makes the digest of a token that no other test has.
pub fn key_digest() -> KeyDigest {
    let mut digest = [7; 32];
    digest[..16].copy_from_slice(fresh_id().as_uuid().as_bytes());
    KeyDigest {
        token: TokenDigest::from(digest),
        secret: SecretId::from([7; 8]),
    }
}

/// Returns every set of scopes except the empty one.
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
