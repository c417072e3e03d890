//! The judge finds each fabricated violation, and nothing else.

use chrono::TimeDelta;

use super::*;
use crate::clock::{Time, now};

const ID: &str = "p";
/// The prefix of the payout's keys at the provider.
const KEY: &str = "k";
const LEASE: TimeDelta = TimeDelta::seconds(15);

fn instruction() -> Instruction {
    Instruction {
        payout_id: ID.to_owned(),
        amount: "1.50".to_owned(),
        currency: "EUR".to_owned(),
        recipient_account: "account".to_owned(),
        recipient_name: "name".to_owned(),
        description: "drill 1".to_owned(),
        digest: String::new(),
    }
}

fn paid(key: &str) -> Entry {
    Entry {
        at: now(),
        key: key.to_owned(),
        cause: Cause::Submission,
        deed: Deed::Paid {
            reference: "r".to_owned(),
        },
        instruction: Some(instruction()),
    }
}

/// A whole run, in which one payout was paid correctly.
struct World {
    ledger: Vec<Entry>,
    books: Books,
    told: Vec<Told>,
    api: HashMap<String, Option<(String, bool)>>,
    start: Time,
}

impl World {
    fn sound() -> Self {
        let row = Row {
            id: ID.to_owned(),
            provider_key: KEY.to_owned(),
            generation: 0,
            status: "completed".to_owned(),
            needs_review: false,
            deleted: false,
            amount: "1.5".to_owned(),
            currency: "EUR".to_owned(),
            recipient_account: "account".to_owned(),
            recipient_name: "name".to_owned(),
            description: "drill 1".to_owned(),
            provider_reference: Some("r".to_owned()),
        };
        let told = Told {
            ids: BTreeSet::from([ID.to_owned()]),
            description: "drill 1".to_owned(),
            ..Told::default()
        };
        let mut world = Self {
            ledger: vec![paid("k:0")],
            books: Books {
                rows: vec![row],
                trails: HashMap::new(),
            },
            told: vec![told],
            api: HashMap::from([(ID.to_owned(), Some(("completed".to_owned(), false)))]),
            start: now(),
        };
        world.trail(&[
            ("created", "pending", 0, 0),
            ("claimed", "processing", 1, 0),
            ("completed", "completed", 1, 1),
        ]);
        world
    }

    /// Sets the audit trail: `(kind, status, fence, seconds since the start)`.
    fn trail(&mut self, events: &[(&str, &str, i64, i64)]) {
        let events = events.iter().map(|(kind, status, fence, at)| Event {
            payout_id: ID.to_owned(),
            generation: 0,
            fence: *fence,
            at: self.start + TimeDelta::seconds(*at),
            kind: (*kind).to_owned(),
            status: (*status).to_owned(),
            actor: "host-1-abc".to_owned(),
            detail: None,
        });
        self.books.trails.insert(ID.to_owned(), events.collect());
    }

    /// Sets the status in the row and in the API.
    fn stands(&mut self, status: &str) {
        self.books.rows[0].status = status.to_owned();
        self.api.insert(ID.to_owned(), Some((status.to_owned(), false)));
    }

    fn findings(&self) -> Vec<Rule> {
        let evidence = Evidence {
            ledger: &self.ledger,
            books: &self.books,
            told: &self.told,
            api: &self.api,
            lease: LEASE,
        };
        let mut rules: Vec<Rule> = judge(&evidence).into_iter().map(|finding| finding.rule).collect();
        rules.dedup();
        rules
    }
}

#[test]
fn a_sound_world_has_no_findings() {
    assert_eq!(World::sound().findings(), []);
}

#[test]
fn a_generation_that_is_paid_twice() {
    let mut world = World::sound();
    world.ledger.push(paid("k:0"));
    assert_eq!(world.findings(), [Rule::PaidTwice]);
}

#[test]
fn two_generations_that_are_both_paid() {
    let mut world = World::sound();
    world.ledger.push(paid("k:1"));
    world.books.rows[0].generation = 1;
    assert_eq!(world.findings(), [Rule::TwoGenerationsPaid]);
}

#[test]
fn a_payment_that_the_row_denies() {
    for status in ["failed", "cancelled"] {
        let mut world = World::sound();
        world.stands(status);
        world.trail(&[]);
        assert_eq!(world.findings(), [Rule::PaidButNotCompleted], "{status}");
        // A payment in an earlier generation is the same violation.
        world.books.rows[0].generation = 1;
        assert_eq!(world.findings(), [Rule::PaidButNotCompleted], "{status}");
    }
    let mut world = World::sound();
    world.stands("pending");
    world.books.rows[0].deleted = true;
    world.api.insert(ID.to_owned(), None);
    assert_eq!(world.findings(), [Rule::PaidButNotCompleted]);
}

#[test]
fn one_that_is_completed_and_not_paid() {
    let mut world = World::sound();
    world.ledger[0].deed = Deed::Declined { code: "x".to_owned() };
    assert_eq!(world.findings(), [Rule::CompletedButNotPaid]);
    world.ledger.clear();
    assert_eq!(world.findings(), [Rule::CompletedButNotPaid]);
}

#[test]
fn a_create_that_is_not_there() {
    let mut world = World::sound();
    world.told.push(Told {
        ids: BTreeSet::from(["q".to_owned()]),
        description: "drill 2".to_owned(),
        ..Told::default()
    });
    assert_eq!(world.findings(), [Rule::CreateLost]);
}

#[test]
fn one_that_is_stuck() {
    let mut world = World::sound();
    world.ledger.clear();
    for status in ["pending", "processing"] {
        world.stands(status);
        assert_eq!(world.findings(), [Rule::Stuck], "{status}");
    }
    world.books.rows[0].needs_review = true;
    world
        .api
        .insert(ID.to_owned(), Some(("processing".to_owned(), true)));
    assert_eq!(world.findings(), []);
}

#[test]
fn a_payment_for_nobody() {
    let mut world = World::sound();
    let mut stranger = paid("q:0");
    stranger.instruction.as_mut().unwrap().payout_id = "q".to_owned();
    world.ledger.push(stranger);
    assert_eq!(world.findings(), [Rule::PaidForNobody]);
}

#[test]
fn a_payment_of_something_else() {
    let alter: [fn(&mut Instruction); 6] = [
        |paid| paid.payout_id = "q".to_owned(),
        |paid| paid.amount = "15".to_owned(),
        |paid| paid.currency = "USD".to_owned(),
        |paid| paid.recipient_account = "other".to_owned(),
        |paid| paid.recipient_name = "other".to_owned(),
        |paid| paid.description = "other".to_owned(),
    ];
    for alter in alter {
        let mut world = World::sound();
        alter(world.ledger[0].instruction.as_mut().unwrap());
        assert_eq!(world.findings(), [Rule::PaidSomethingElse]);
    }
    let mut world = World::sound();
    world.books.rows[0].provider_reference = Some("other".to_owned());
    assert_eq!(world.findings(), [Rule::PaidSomethingElse]);
}

#[test]
fn a_key_with_two_instructions() {
    let mut world = World::sound();
    world.ledger.push(Entry {
        deed: Deed::Altered,
        ..paid("k:0")
    });
    assert_eq!(world.findings(), [Rule::KeyWithTwoInstructions]);
}

#[test]
fn two_payouts_of_one_key() {
    let mut world = World::sound();
    let mut second = world.books.rows[0].clone();
    second.id = "q".to_owned();
    second.provider_key = "q".to_owned();
    second.status = "cancelled".to_owned();
    world
        .api
        .insert("q".to_owned(), Some(("cancelled".to_owned(), false)));
    world.books.rows.push(second);
    assert_eq!(world.findings(), [Rule::TwoPayoutsOfOneKey]);
}

#[test]
fn a_step_that_was_acknowledged_and_is_not_there() {
    let forget: [fn(&mut Told); 3] = [
        |told| told.cancelled = true,
        |told| told.deleted = true,
        |told| told.renamed = Some("other".to_owned()),
    ];
    for forget in forget {
        let mut world = World::sound();
        forget(&mut world.told[0]);
        assert_eq!(world.findings(), [Rule::StepLost]);
    }
}

#[test]
fn a_final_state_that_changed() {
    let ends = [
        ("completed", "completed"),
        ("cancelled", "cancelled"),
        ("failed", "failed"),
    ];
    for (kind, status) in ends {
        let mut world = World::sound();
        world.trail(&[
            ("claimed", "processing", 1, 0),
            (kind, status, 1, 1),
            ("claimed", "processing", 2, 20),
        ]);
        assert_eq!(world.findings(), [Rule::FinalStateChanged], "{kind}");
    }
    let mut world = World::sound();
    world.trail(&[
        ("claimed", "processing", 1, 0),
        ("completed", "completed", 1, 1),
        ("late_outcome", "failed", 1, 2),
    ]);
    assert_eq!(world.findings(), [Rule::FinalStateChanged]);
    world.trail(&[("claimed", "processing", 1, 0), ("retried", "pending", 1, 2)]);
    assert_eq!(world.findings(), [Rule::FinalStateChanged]);
    world.trail(&[
        ("created", "pending", 0, 0),
        ("deleted", "pending", 0, 1),
        ("claimed", "processing", 1, 2),
    ]);
    assert_eq!(world.findings(), [Rule::FinalStateChanged]);
    for (kind, status) in [
        ("completed", "completed"),
        ("failed", "failed"),
        ("released", "pending"),
    ] {
        world.trail(&[
            ("claimed", "processing", 1, 0),
            (kind, status, 1, 1),
            ("deleted", status, 1, 2),
        ]);
        assert_eq!(world.findings(), [Rule::FinalStateChanged], "{kind}");
    }
    world.trail(&[
        ("claimed", "processing", 1, 0),
        ("failed", "failed", 1, 1),
        ("retried", "pending", 1, 2),
    ]);
    assert_eq!(world.findings(), []);
}

#[test]
fn a_stale_fence_that_changed_something() {
    let mut world = World::sound();
    let claims = [("claimed", "processing", 1, 0), ("claimed", "processing", 2, 20)];
    world.trail(&[claims[0], claims[1], ("completed", "completed", 1, 21)]);
    assert_eq!(world.findings(), [Rule::StaleFence]);
    world.trail(&[
        claims[0],
        claims[1],
        ("late_outcome", "processing", 1, 21),
        ("completed", "completed", 2, 22),
    ]);
    assert_eq!(world.findings(), []);
    let repeated = ("postponed", "processing", 1, 1);
    world.trail(&[claims[0], repeated, repeated, ("completed", "completed", 1, 2)]);
    assert_eq!(world.findings(), []);
    world.trail(&[claims[1], ("postponed", "processing", 2, 1), claims[0]]);
    assert_eq!(world.findings(), [Rule::StaleFence]);
}

#[test]
fn a_claim_while_a_lease_ran() {
    let mut world = World::sound();
    let claim = |fence, at| ("claimed", "processing", fence, at);
    world.trail(&[claim(1, 0), claim(2, 14)]);
    assert_eq!(world.findings(), [Rule::LeaseBroken]);
    world.trail(&[claim(1, 0), claim(2, 15)]);
    assert_eq!(world.findings(), []);
    world.trail(&[claim(1, 0), ("postponed", "processing", 1, 1), claim(2, 2)]);
    assert_eq!(world.findings(), []);
}

#[test]
fn an_api_that_disagrees() {
    let mut world = World::sound();
    world
        .api
        .insert(ID.to_owned(), Some(("processing".to_owned(), false)));
    assert_eq!(world.findings(), [Rule::ApiDisagrees]);
    world.api.insert(ID.to_owned(), None);
    assert_eq!(world.findings(), [Rule::ApiDisagrees]);
}

#[test]
fn a_create_that_was_never_answered() {
    let mut world = World::sound();
    world.told[0].unanswered = Some("503".to_owned());
    assert_eq!(world.findings(), [Rule::CreateUnanswered]);
}

#[test]
fn a_review_though_every_call_was_refused_for_now() {
    let mut world = World::sound();
    world.ledger = vec![Entry {
        deed: Deed::Refused,
        instruction: None,
        ..paid("k:0")
    }];
    world.stands("processing");
    world.books.rows[0].needs_review = true;
    world
        .api
        .insert(ID.to_owned(), Some(("processing".to_owned(), true)));
    world.trail(&[
        ("created", "pending", 0, 0),
        ("claimed", "processing", 1, 0),
        ("review_requested", "processing", 1, 1),
    ]);
    assert_eq!(world.findings(), [Rule::ReviewWithoutUnknown]);
    world.ledger[0].deed = Deed::Ignored;
    assert_eq!(world.findings(), []);
}
