//! Values of a payout: names, texts, ids, and rows that cannot exist.

use payout_core::Timestamp;
use payout_core::access::{KeySecret, Token};
use payout_core::attempt::Claim;
use payout_core::contract::build;
use payout_core::idempotency::{Fingerprint, IdempotencyKey, IdempotencyRecord, ScopedKey};
use payout_core::payout::{
    Actor, Caller, Description, EventKind, ExternalId, Failure, Metadata, MetadataEntry, MetadataPatch,
    PaymentDetails, Payout, PayoutId, PayoutParts, ProviderReference, StatementText, Status,
};
use payout_core::ports::{Listed, Search};
use payout_core::provider::Instruction;
use payout_core::usecase::{EditRequest, MetadataEdit};

#[test]
fn each_status_and_each_kind_of_event_has_its_name() {
    let statuses: Vec<String> = Status::ALL.iter().map(Status::to_string).collect();
    assert_eq!(
        statuses,
        [
            "awaiting_approval",
            "pending",
            "processing",
            "completed",
            "returned",
            "failed",
            "cancelled"
        ]
    );
    let kinds: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "created",
            "imported",
            "edited",
            "approved",
            "rejected",
            "edit_refused",
            "revealed",
            "claimed",
            "completed",
            "returned",
            "failed",
            "accepted",
            "postponed",
            "released",
            "key_spent",
            "review_requested",
            "resolved",
            "retried",
            "cancelled",
            "deleted",
            "late_outcome"
        ]
    );
    for status in Status::ALL.iter().copied() {
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    for kind in EventKind::ALL.iter().copied() {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    assert!("nothing".parse::<Status>().is_err() && "nothing".parse::<EventKind>().is_err());
}

#[test]
fn a_caller_is_kept_as_named_without_what_cannot_be_printed() {
    let caller = Caller::named("an\u{0} operator")
        .in_request("req-1")
        .because("as agreed");
    assert_eq!(caller.actor, Actor::new("an operator"));
    assert_eq!(caller.actor.as_str(), "an operator");
    assert_eq!(caller.actor.to_string(), "an operator");
    assert_eq!(caller.request_id.as_deref(), Some("req-1"));
    assert_eq!(caller.reason.as_deref(), Some("as agreed"));
    assert_eq!(caller.because("").reason, None, "an empty reason is none");
}

#[test]
fn what_a_provider_says_is_kept_as_it_was_said() {
    assert_eq!(ProviderReference::new("ref-1").unwrap().as_str(), "ref-1");
    assert_eq!(ProviderReference::new(""), None);
    let failure = Failure::new("no_account", "There is none.");
    assert_eq!(
        (failure.code(), failure.message()),
        ("no_account", "There is none.")
    );
}

#[test]
fn an_id_is_read_back_and_later_ones_sort_later() {
    struct Always(u64);
    impl payout_core::ports::Randomness for Always {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }
    let id = build::fresh_id();
    assert_eq!(id.to_string().parse::<PayoutId>().unwrap(), id);
    assert_eq!(PayoutId::from(id.as_uuid()), id);
    let at = |ms| PayoutId::generate(Timestamp::from_timestamp_millis(ms).unwrap(), &Always(u64::MAX));
    assert!(at(1) < at(2) && at(2) < at(1_000_000_000_000));
    let other = PayoutId::generate(Timestamp::from_timestamp_millis(1).unwrap(), &Always(7));
    assert_ne!(at(1), other, "chance tells ids of one moment apart");
}

/// Restores a pending payout's row with a value written past the domain.
fn with(write: impl FnOnce(&mut PayoutParts)) -> Result<Payout, payout_core::payout::BrokenRow> {
    let mut parts = build::new_payout()
        .stored_at(Timestamp::UNIX_EPOCH)
        .parts()
        .clone();
    write(&mut parts);
    Payout::restore(parts)
}

#[test]
fn a_row_that_no_step_leads_to_is_refused() {
    assert!(with(|_| ()).is_ok());
    assert!(with(|parts| parts.needs_review = true).is_err());
    assert!(with(|parts| parts.due_at = None).is_err());
    assert!(
        with(|parts| parts.status = Status::Completed).is_err(),
        "still due"
    );
    assert!(with(|parts| parts.failure = Some(Failure::new("c", "m"))).is_err());
    let processing = |fence, claims| {
        with(|parts| {
            parts.status = Status::Processing;
            (parts.fence, parts.claims) = (fence, claims);
        })
    };
    assert!(processing(1, 1).is_ok());
    assert!(
        processing(0, 1).is_err() && processing(1, 0).is_err(),
        "never claimed"
    );
    let ended = |status, failure| {
        with(|parts| {
            (parts.status, parts.failure, parts.due_at) = (status, failure, None);
        })
    };
    assert!(ended(Status::Completed, None).is_ok() && ended(Status::Cancelled, None).is_ok());
    assert!(ended(Status::Failed, None).is_err(), "without a failure");
    assert!(ended(Status::Failed, Some(Failure::new("c", "m"))).is_ok());
}

#[test]
fn only_what_is_processing_and_not_under_review_is_a_claim() {
    let processing = |needs_review, due_at| {
        with(|parts| {
            (parts.status, parts.fence, parts.claims) = (Status::Processing, 1, 1);
            (parts.needs_review, parts.due_at) = (needs_review, due_at);
        })
        .unwrap()
    };
    assert!(Claim::new(processing(false, Some(Timestamp::UNIX_EPOCH))).is_ok());
    assert!(Claim::new(processing(true, None)).is_err());
    assert!(Claim::new(with(|_| ()).unwrap()).is_err());
}

/// Covers every printable type that holds a recipient, a secret or an idempotency key (which a client may derive from
/// an account).
#[test]
fn nothing_that_is_printed_tells_who_is_paid_nor_a_secret() {
    let details = PaymentDetails {
        recipient: build::recipient_of("CANARY-ACCOUNT", "Canary Lovelace"),
        description: Description::new("for the canary").unwrap(),
        external_id: ExternalId::new("canary-7").ok(),
        metadata: Metadata::new([("canary", "canary")]).unwrap(),
        statement_text: StatementText::new("for the canary").ok(),
        ..build::details()
    };
    let key = IdempotencyKey::new("canary-key").unwrap();
    let scoped = ScopedKey::new(None, &key);
    let new = build::under(&scoped, build::of_details(details.clone()));
    let payout = new.stored_at(Timestamp::UNIX_EPOCH);
    let edit = EditRequest {
        recipient_account: Some(details.recipient.account().clone()),
        recipient_name: Some(details.recipient.name().clone()),
        description: Some(details.description.clone()),
        external_id: Some(details.external_id.clone()),
        metadata: Some(MetadataEdit::Entries(
            MetadataPatch::new([("canary", Some("canary"))]).unwrap(),
        )),
        statement_text: Some(details.statement_text.clone()),
        ..EditRequest::default()
    };
    let lease = std::time::Duration::from_secs(15);
    let claim = payout.clone().claim(Timestamp::UNIX_EPOCH, lease, lease).unwrap();
    let change = payout
        .clone()
        .cancel(build::operator("CANARY-ACCOUNT of Canary Lovelace"))
        .unwrap();
    let answer = IdempotencyRecord {
        fingerprint: Fingerprint::of_create(&details),
        payout: payout.clone(),
    };
    let secret = KeySecret::new(&b"canary".repeat(6)).unwrap();
    for shown in [
        format!("{details:?}"),
        format!("{key:?} {scoped:?}"),
        format!("{new:?}"),
        format!("{payout:?} {:?}", payout.parts()),
        format!("{:?} {:?}", payout.details(), edit),
        format!("{:?}", Instruction::from(&claim)),
        format!("{claim:?} {change:?}"),
        format!("{answer:?}"),
        format!("{:?} {:?}", Listed::Payout(payout), Search::new("CANARY-ACCOUNT")),
        format!("{:?}", MetadataEntry::new("canary", "canary").unwrap()),
        format!("{secret:?} {:?}", Token::of(&[0xca; 32])),
    ] {
        let lowered = shown.to_lowercase();
        for canary in ["canary", "caca", "99, 97, 110"] {
            assert!(!lowered.contains(canary), "{canary} in {shown}");
        }
    }
}
