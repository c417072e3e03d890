use serde_json::Value;

use super::*;

fn new(id: &str, idempotency: &str) -> NewPayment {
    NewPayment {
        id: id.to_owned(),
        key: "key".to_owned(),
        idempotency: Some(idempotency.to_owned()),
        amount: "1050".to_owned(),
        currency: "USD".to_owned(),
        recipient: "DE89370400440532013000".to_owned(),
        standing: Standing::Accepted,
        code: None,
        plan: Vec::new(),
        detail: Value::Null,
    }
}

#[tokio::test]
async fn one_idempotency_key_is_one_payment_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let first = {
        let ledger = Ledger::open(Some(&path)).unwrap();
        let created = ledger.create(new("A", "k")).await;
        assert!(matches!(created, Creation::New(_)));
        ledger.change("A", Standing::Paid, None).await.unwrap()
    };
    let ledger = Ledger::open(Some(&path)).unwrap();
    assert_eq!(ledger.create(new("B", "k")).await, Creation::Repeated(first));
    assert_eq!(ledger.payments().len(), 1);
    assert_eq!(Ledger::open(Some(&path)).unwrap().payments()[0].repeats, 1);
}

#[tokio::test]
async fn a_paid_payment_is_only_returned_and_an_ended_one_stays() {
    let ledger = Ledger::open(None).unwrap();
    ledger.create(new("A", "k")).await;
    assert!(ledger.change("A", Standing::Paid, None).await.is_some());
    assert!(ledger.change("A", Standing::Declined, None).await.is_none());
    let returned = ledger.change("A", Standing::Returned, Some("closed")).await;
    assert_eq!(returned.unwrap().sequence, 3);
    for standing in [Standing::Paid, Standing::Declined, Standing::Accepted] {
        assert!(ledger.change("A", standing, None).await.is_none(), "{standing:?}");
    }
}

#[tokio::test]
async fn a_line_that_was_cut_off_is_dropped_and_the_next_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    Ledger::open(Some(&path)).unwrap().create(new("A", "k")).await;
    let mut text = std::fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"what\":\"cre");
    std::fs::write(&path, text).unwrap();
    let ledger = Ledger::open(Some(&path)).unwrap();
    ledger.create(new("B", "l")).await;
    assert_eq!(Ledger::open(Some(&path)).unwrap().payments().len(), 2);
}

#[tokio::test]
async fn planned_changes_happen_when_they_are_due() {
    let ledger = Ledger::open(None).unwrap();
    let now = crate::clock::now();
    let planned = |seconds, standing| Planned {
        at: now + chrono::Duration::seconds(seconds),
        standing,
        code: None,
    };
    let payment = NewPayment {
        plan: vec![planned(10, Standing::Paid), planned(20, Standing::Returned)],
        ..new("A", "k")
    };
    ledger.create(payment).await;
    assert!(ledger.advance(now).await.is_empty());
    let after = |seconds| now + chrono::Duration::seconds(seconds);
    assert_eq!(ledger.advance(after(10)).await[0].standing, Standing::Paid);
    assert!(ledger.advance(after(10)).await.is_empty());
    assert_eq!(ledger.advance(after(20)).await[0].standing, Standing::Returned);
}
