//! The judge finds each fabricated violation, and nothing else.

use chrono::TimeDelta;

use super::*;
use crate::clock::{Time, now};
use crate::database::Event;
use crate::ledger::{Cause, Deed};

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
struct Scenario {
    ledger: Vec<Entry>,
    books: Vec<Books>,
    stored: Stored,
    told: Vec<Told>,
    api: HashMap<String, Option<(String, bool)>>,
    start: Time,
    rechecking: i64,
}

impl Scenario {
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
            provider: None,
        };
        let told = Told {
            ids: BTreeSet::from([ID.to_owned()]),
            description: "drill 1".to_owned(),
            ..Told::default()
        };
        let mut scenario = Self {
            ledger: vec![paid("k:0")],
            books: Vec::new(),
            stored: Stored {
                rows: vec![row],
                ..Stored::default()
            },
            told: vec![told],
            api: HashMap::from([(ID.to_owned(), Some(("completed".to_owned(), false)))]),
            start: now(),
            rechecking: 0,
        };
        scenario.trail(&[
            ("created", "pending", 0, 0),
            ("claimed", "processing", 1, 0),
            ("completed", "completed", 1, 1),
        ]);
        scenario
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
        self.stored.trails.insert(ID.to_owned(), events.collect());
    }

    /// Sets the status in the row and in the API.
    fn stands(&mut self, status: &str) {
        self.stored.rows[0].status = status.to_owned();
        self.api.insert(ID.to_owned(), Some((status.to_owned(), false)));
    }

    fn findings(&self) -> Vec<Rule> {
        let evidence = Evidence {
            ledger: &self.ledger,
            books: &self.books,
            stored: &self.stored,
            told: &self.told,
            told_batches: &[],
            api: &self.api,
            rechecking: self.rechecking,
            lease: LEASE,
        };
        let mut rules: Vec<Rule> = judge(&evidence).into_iter().map(|finding| finding.rule).collect();
        rules.dedup();
        rules
    }
}

#[test]
fn a_sound_world_has_no_findings() {
    assert_eq!(Scenario::sound().findings(), []);
}

#[test]
fn a_generation_that_is_paid_twice() {
    let mut scenario = Scenario::sound();
    scenario.ledger.push(paid("k:0"));
    assert_eq!(scenario.findings(), [Rule::PaidTwice]);
}

#[test]
fn two_generations_that_are_both_paid() {
    let mut scenario = Scenario::sound();
    scenario.ledger.push(paid("k:1"));
    scenario.stored.rows[0].generation = 1;
    assert_eq!(scenario.findings(), [Rule::TwoGenerationsPaid]);
}

#[test]
fn a_payment_that_the_row_denies() {
    for status in ["failed", "cancelled"] {
        let mut scenario = Scenario::sound();
        scenario.stands(status);
        scenario.trail(&[]);
        assert_eq!(scenario.findings(), [Rule::PaidButNotCompleted], "{status}");
        // A payment in an earlier generation is the same violation.
        scenario.stored.rows[0].generation = 1;
        assert_eq!(scenario.findings(), [Rule::PaidButNotCompleted], "{status}");
    }
    let mut scenario = Scenario::sound();
    scenario.stands("pending");
    scenario.stored.rows[0].deleted = true;
    scenario.api.insert(ID.to_owned(), None);
    assert_eq!(scenario.findings(), [Rule::PaidButNotCompleted]);
}

#[test]
fn one_that_is_completed_and_not_paid() {
    let mut scenario = Scenario::sound();
    scenario.ledger[0].deed = Deed::Declined { code: "x".to_owned() };
    assert_eq!(scenario.findings(), [Rule::CompletedButNotPaid]);
    scenario.ledger.clear();
    assert_eq!(scenario.findings(), [Rule::CompletedButNotPaid]);
}

#[test]
fn a_create_that_is_not_there() {
    let mut scenario = Scenario::sound();
    scenario.told.push(Told {
        ids: BTreeSet::from(["q".to_owned()]),
        description: "drill 2".to_owned(),
        ..Told::default()
    });
    assert_eq!(scenario.findings(), [Rule::CreateLost]);
}

#[test]
fn one_that_is_stuck() {
    let mut scenario = Scenario::sound();
    scenario.ledger.clear();
    for status in ["pending", "processing"] {
        scenario.stands(status);
        assert_eq!(scenario.findings(), [Rule::Stuck], "{status}");
    }
    scenario.stored.rows[0].needs_review = true;
    scenario
        .api
        .insert(ID.to_owned(), Some(("processing".to_owned(), true)));
    assert_eq!(scenario.findings(), []);
}

#[test]
fn a_payment_for_nobody() {
    let mut scenario = Scenario::sound();
    let mut stranger = paid("q:0");
    stranger.instruction.as_mut().unwrap().payout_id = "q".to_owned();
    scenario.ledger.push(stranger);
    assert_eq!(scenario.findings(), [Rule::PaidForNobody]);
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
        let mut scenario = Scenario::sound();
        alter(scenario.ledger[0].instruction.as_mut().unwrap());
        assert_eq!(scenario.findings(), [Rule::PaidSomethingElse]);
    }
    let mut scenario = Scenario::sound();
    scenario.stored.rows[0].provider_reference = Some("other".to_owned());
    assert_eq!(scenario.findings(), [Rule::PaidSomethingElse]);
}

#[test]
fn a_key_with_two_instructions() {
    let mut scenario = Scenario::sound();
    scenario.ledger.push(Entry {
        deed: Deed::Altered,
        ..paid("k:0")
    });
    assert_eq!(scenario.findings(), [Rule::KeyWithTwoInstructions]);
}

#[test]
fn two_payouts_of_one_key() {
    let mut scenario = Scenario::sound();
    let mut second = scenario.stored.rows[0].clone();
    second.id = "q".to_owned();
    second.provider_key = "q".to_owned();
    second.status = "cancelled".to_owned();
    scenario
        .api
        .insert("q".to_owned(), Some(("cancelled".to_owned(), false)));
    scenario.stored.rows.push(second);
    assert_eq!(scenario.findings(), [Rule::TwoPayoutsOfOneKey]);
}

#[test]
fn a_step_that_was_acknowledged_and_is_not_there() {
    let forget: [fn(&mut Told); 3] = [
        |told| told.cancelled = true,
        |told| told.deleted = true,
        |told| told.renamed = Some("other".to_owned()),
    ];
    for forget in forget {
        let mut scenario = Scenario::sound();
        forget(&mut scenario.told[0]);
        assert_eq!(scenario.findings(), [Rule::StepLost]);
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
        let mut scenario = Scenario::sound();
        scenario.trail(&[
            ("claimed", "processing", 1, 0),
            (kind, status, 1, 1),
            ("claimed", "processing", 2, 20),
        ]);
        assert_eq!(scenario.findings(), [Rule::FinalStateChanged], "{kind}");
    }
    let mut scenario = Scenario::sound();
    scenario.trail(&[
        ("claimed", "processing", 1, 0),
        ("completed", "completed", 1, 1),
        ("late_outcome", "failed", 1, 2),
    ]);
    assert_eq!(scenario.findings(), [Rule::FinalStateChanged]);
    scenario.trail(&[("claimed", "processing", 1, 0), ("retried", "pending", 1, 2)]);
    assert_eq!(scenario.findings(), [Rule::FinalStateChanged]);
    scenario.trail(&[
        ("created", "pending", 0, 0),
        ("deleted", "pending", 0, 1),
        ("claimed", "processing", 1, 2),
    ]);
    assert_eq!(scenario.findings(), [Rule::FinalStateChanged]);
    for (kind, status) in [
        ("completed", "completed"),
        ("failed", "failed"),
        ("released", "pending"),
    ] {
        scenario.trail(&[
            ("claimed", "processing", 1, 0),
            (kind, status, 1, 1),
            ("deleted", status, 1, 2),
        ]);
        assert_eq!(scenario.findings(), [Rule::FinalStateChanged], "{kind}");
    }
    scenario.trail(&[
        ("claimed", "processing", 1, 0),
        ("failed", "failed", 1, 1),
        ("retried", "pending", 1, 2),
    ]);
    assert_eq!(scenario.findings(), []);
}

#[test]
fn a_stale_fence_that_changed_something() {
    let mut scenario = Scenario::sound();
    let claims = [("claimed", "processing", 1, 0), ("claimed", "processing", 2, 20)];
    scenario.trail(&[claims[0], claims[1], ("completed", "completed", 1, 21)]);
    assert_eq!(scenario.findings(), [Rule::StaleFence]);
    scenario.trail(&[
        claims[0],
        claims[1],
        ("late_outcome", "processing", 1, 21),
        ("completed", "completed", 2, 22),
    ]);
    assert_eq!(scenario.findings(), []);
    let repeated = ("postponed", "processing", 1, 1);
    scenario.trail(&[claims[0], repeated, repeated, ("completed", "completed", 1, 2)]);
    assert_eq!(scenario.findings(), []);
    scenario.trail(&[claims[1], ("postponed", "processing", 2, 1), claims[0]]);
    assert_eq!(scenario.findings(), [Rule::StaleFence]);
}

#[test]
fn a_claim_while_a_lease_ran() {
    let mut scenario = Scenario::sound();
    let claim = |fence, at| ("claimed", "processing", fence, at);
    scenario.trail(&[claim(1, 0), claim(2, 14)]);
    assert_eq!(scenario.findings(), [Rule::LeaseBroken]);
    scenario.trail(&[claim(1, 0), claim(2, 15)]);
    assert_eq!(scenario.findings(), []);
    scenario.trail(&[claim(1, 0), ("postponed", "processing", 1, 1), claim(2, 2)]);
    assert_eq!(scenario.findings(), []);
}

#[test]
fn an_api_that_disagrees() {
    let mut scenario = Scenario::sound();
    scenario
        .api
        .insert(ID.to_owned(), Some(("processing".to_owned(), false)));
    assert_eq!(scenario.findings(), [Rule::ApiDisagrees]);
    scenario.api.insert(ID.to_owned(), None);
    assert_eq!(scenario.findings(), [Rule::ApiDisagrees]);
}

#[test]
fn a_create_that_was_never_answered() {
    let mut scenario = Scenario::sound();
    scenario.told[0].unanswered = Some("503".to_owned());
    assert_eq!(scenario.findings(), [Rule::CreateUnanswered]);
}

#[test]
fn a_review_though_every_call_was_refused_for_now() {
    let mut scenario = Scenario::sound();
    scenario.ledger = vec![Entry {
        deed: Deed::Refused,
        instruction: None,
        ..paid("k:0")
    }];
    scenario.stands("processing");
    scenario.stored.rows[0].needs_review = true;
    scenario
        .api
        .insert(ID.to_owned(), Some(("processing".to_owned(), true)));
    scenario.trail(&[
        ("created", "pending", 0, 0),
        ("claimed", "processing", 1, 0),
        ("review_requested", "processing", 1, 1),
    ]);
    assert_eq!(scenario.findings(), [Rule::ReviewWithoutUnknown]);
    scenario.ledger[0].deed = Deed::Ignored;
    assert_eq!(scenario.findings(), []);
}

#[path = "vendor_judge_tests.rs"]
mod of_vendors;
