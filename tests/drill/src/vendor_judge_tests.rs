//! The rules about real providers, each with a violation that it finds.

use payout_stand_ins::ledger::{self, Standing};

use super::*;

const IBAN: &str = "DE44500105175407324931";

/// Builds a payment of 1.50 EUR that was made at 0 s and, if it is returned, came back at 5 s.
fn payment(key: &str, standing: Standing, start: Time) -> ledger::Payment {
    ledger::Payment {
        id: "r".to_owned(),
        key: key.to_owned(),
        idempotency: None,
        amount: "150".to_owned(),
        currency: "EUR".to_owned(),
        recipient: IBAN.to_owned(),
        standing,
        code: None,
        created_at: start,
        paid_at: matches!(standing, Standing::Paid | Standing::Returned).then_some(start),
        changed_at: start + TimeDelta::seconds(5),
        sequence: 1,
        repeats: 0,
        plan: Vec::new(),
        detail: serde_json::Value::Null,
    }
}

impl Scenario {
    /// A run in which one payout was paid correctly through Adyen.
    fn of_adyen() -> Self {
        let mut scenario = Self::sound();
        scenario.ledger.clear();
        scenario.stored.rows[0].provider = Some("adyen".to_owned());
        scenario.stored.rows[0].recipient_account = IBAN.to_owned();
        scenario.books = ["adyen", "stripe"]
            .map(|provider| Books {
                provider,
                payments: Vec::new(),
            })
            .into();
        scenario.adyen("k:0", Standing::Paid, 0);
        scenario
    }

    fn adyen(&mut self, key: &str, standing: Standing, at: i64) {
        let payment = payment(key, standing, self.start + TimeDelta::seconds(at));
        self.books[0].payments.push(payment);
    }

    fn stripe(&mut self, key: &str, standing: Standing) {
        let payment = payment(key, standing, self.start);
        self.books[1].payments.push(payment);
    }

    fn only(&mut self, standing: Standing) {
        self.books[0].payments.clear();
        self.adyen("k:0", standing, 0);
    }
}

#[test]
fn a_sound_run_with_several_providers_has_no_findings() {
    assert_eq!(Scenario::of_adyen().findings(), []);
}

#[test]
fn a_key_that_a_provider_paid_twice() {
    for standing in [Standing::Paid, Standing::Returned] {
        let mut scenario = Scenario::of_adyen();
        scenario.adyen("k:0", standing, 1);
        assert_eq!(scenario.findings(), [Rule::PaidTwice], "{standing:?}");
    }
    let mut scenario = Scenario::of_adyen();
    scenario.adyen("k:0", Standing::Declined, 1);
    assert_eq!(scenario.findings(), []);
}

#[test]
fn a_generation_that_was_paid_before_the_earlier_one_came_back() {
    let retried = |at| {
        let mut scenario = Scenario::of_adyen();
        scenario.only(Standing::Returned);
        scenario.stored.rows[0].generation = 1;
        scenario.adyen("k:1", Standing::Paid, at);
        scenario.findings()
    };
    assert_eq!(retried(4), [Rule::TwoGenerationsPaid]);
    assert_eq!(retried(6), []);
}

#[test]
fn a_generation_that_was_paid_while_the_earlier_one_may_still_be() {
    let mut scenario = Scenario::of_adyen();
    scenario.only(Standing::Accepted);
    scenario.stored.rows[0].generation = 1;
    scenario.adyen("k:1", Standing::Paid, 9);
    assert_eq!(scenario.findings(), [Rule::TwoGenerationsPaid]);
}

#[test]
fn a_generation_that_went_to_two_providers() {
    let mut scenario = Scenario::of_adyen();
    scenario.stripe("k:0", Standing::Accepted);
    assert_eq!(scenario.findings(), [Rule::TwoProviders]);
    let mut scenario = Scenario::of_adyen();
    scenario.stripe("k:0", Standing::Refused);
    assert_eq!(scenario.findings(), []);
    // The provider of the HTTP contract is one of them.
    scenario.ledger = vec![paid("k:0")];
    assert_eq!(
        scenario.findings(),
        [Rule::PaidTwice, Rule::TwoProviders, Rule::PaidSomethingElse]
    );
}

#[test]
fn a_payment_at_another_provider_than_the_payout_names() {
    let mut scenario = Scenario::of_adyen();
    scenario.stored.rows[0].provider = Some("stripe".to_owned());
    assert_eq!(scenario.findings(), [Rule::TwoProviders]);
}

#[test]
fn a_completed_payout_that_no_provider_paid() {
    for standing in [Standing::Accepted, Standing::Declined, Standing::Refused] {
        let mut scenario = Scenario::of_adyen();
        scenario.only(standing);
        assert_eq!(scenario.findings(), [Rule::CompletedButNotPaid], "{standing:?}");
    }
}

#[test]
fn a_failed_payout_that_a_provider_paid_or_may_pay() {
    for standing in [Standing::Paid, Standing::Accepted, Standing::Returned] {
        let mut scenario = Scenario::of_adyen();
        scenario.only(standing);
        scenario.stands("failed");
        scenario.trail(&[]);
        assert_eq!(scenario.findings(), [Rule::PaidButNotCompleted], "{standing:?}");
    }
    let mut scenario = Scenario::of_adyen();
    scenario.only(Standing::Declined);
    scenario.stands("failed");
    scenario.trail(&[]);
    assert_eq!(scenario.findings(), []);
}

#[test]
fn a_payment_that_came_back_unnoticed() {
    let mut scenario = Scenario::of_adyen();
    scenario.only(Standing::Returned);
    assert_eq!(scenario.findings(), [Rule::ReturnedThereNotHere]);
}

#[test]
fn a_returned_payout_whose_payment_did_not_come_back() {
    let mut scenario = Scenario::of_adyen();
    scenario.stands("returned");
    assert_eq!(scenario.findings(), [Rule::ReturnedHereNotThere]);
    scenario.only(Standing::Returned);
    assert_eq!(scenario.findings(), []);
    scenario.only(Standing::Declined);
    assert_eq!(scenario.findings(), [Rule::ReturnedHereNotThere]);
}

#[test]
fn rechecks_that_did_not_end() {
    let mut scenario = Scenario::of_adyen();
    scenario.rechecking = 1;
    assert_eq!(scenario.findings(), [Rule::RechecksNotOver]);
}

#[test]
fn a_provider_that_paid_something_else() {
    let alter: [fn(&mut ledger::Payment); 4] = [
        |paid| paid.amount = "15".to_owned(),
        |paid| paid.currency = "USD".to_owned(),
        |paid| paid.recipient = "DE00".to_owned(),
        |paid| paid.id = "other".to_owned(),
    ];
    for alter in alter {
        let mut scenario = Scenario::of_adyen();
        alter(&mut scenario.books[0].payments[0]);
        assert_eq!(scenario.findings(), [Rule::PaidSomethingElse]);
    }
}

#[test]
fn a_payment_of_a_real_provider_for_nobody() {
    let mut scenario = Scenario::of_adyen();
    scenario.stripe("q:0", Standing::Paid);
    assert_eq!(scenario.findings(), [Rule::PaidForNobody]);
}

#[test]
fn amounts_are_compared_in_the_currencys_smallest_unit() {
    assert_eq!(minor_units("1.5", "EUR", false), Some(150));
    assert_eq!(minor_units("12", "USD", false), Some(1_200));
    assert_eq!(minor_units("12", "JPY", false), Some(12));
    assert_eq!(minor_units("12", "USD", true), Some(12));
}

#[test]
fn a_return_and_a_spent_key_are_legal_steps_of_their_own() {
    let mut scenario = Scenario::of_adyen();
    let completed = [
        ("claimed", "processing", 1, 0),
        ("completed", "completed", 1, 1),
        ("returned", "returned", 1, 2),
    ];
    let ended = |last| [&completed[..], &[last]].concat();
    scenario.trail(&ended(("retried", "pending", 1, 3)));
    assert_eq!(scenario.findings(), []);
    scenario.trail(&ended(("completed", "completed", 1, 3)));
    assert!(scenario.findings().contains(&Rule::FinalStateChanged));
    scenario.trail(&[("claimed", "processing", 1, 0), ("key_spent", "pending", 1, 1)]);
    // The entry has the generation that begins.
    let trail = scenario.stored.trails.get_mut(ID).unwrap();
    trail[1].generation = 1;
    assert_eq!(scenario.findings(), []);
    let trail = scenario.stored.trails.get_mut(ID).unwrap();
    trail[1].fence = 0;
    assert_eq!(scenario.findings(), [Rule::StaleFence]);
}
