//! The provider keeps its promise, and records every event.

use std::time::Duration;

use super::*;

fn instruction(amount: &str) -> Instruction {
    let text = |text: &str| text.to_owned();
    Instruction {
        payout_id: text("p"),
        amount: text(amount),
        currency: text("EUR"),
        recipient_account: text("a"),
        recipient_name: text("n"),
        description: text("d"),
        digest: String::new(),
    }
}

fn deeds(path: &Path) -> Vec<Deed> {
    read(path).unwrap().into_iter().map(|entry| entry.deed).collect()
}

#[tokio::test]
async fn a_key_is_paid_once_and_its_answer_is_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let ledger = Ledger::create(&path).unwrap();
    assert_eq!(ledger.look_up("p:0", false).await, None);
    assert_eq!(ledger.submit("p:0", instruction("1"), Act::Nothing).await, None);
    let paid = ledger.submit("p:0", instruction("1"), Act::Pay).await.unwrap();
    assert_eq!(
        ledger
            .submit("p:0", instruction("1"), Act::Decline)
            .await
            .unwrap(),
        paid
    );
    assert_eq!(ledger.close("p:0").await, paid);
    let reference = "drill-1".to_owned();
    assert_eq!(
        deeds(&path),
        [
            Deed::Asked,
            Deed::Ignored,
            Deed::Paid { reference },
            Deed::Repeated { paid: true },
            Deed::Asked
        ]
    );
}

#[tokio::test]
async fn a_key_that_comes_with_another_instruction_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let ledger = Ledger::create(&path).unwrap();
    ledger.submit("p:0", instruction("1"), Act::Pay).await;
    ledger.submit("p:0", instruction("2"), Act::Pay).await;
    assert!(deeds(&path).contains(&Deed::Altered));
}

#[tokio::test]
async fn what_was_accepted_is_settled_when_it_is_time_or_a_person_asks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let ledger = Ledger::create(&path).unwrap();
    let later = Act::Accept {
        after: Duration::from_secs(60),
        pays: true,
    };
    assert!(matches!(
        ledger.submit("p:0", instruction("1"), later).await,
        Some(Standing::Accepted { .. })
    ));
    assert!(matches!(
        ledger.look_up("p:0", false).await,
        Some(Standing::Accepted { .. })
    ));
    assert!(matches!(ledger.close("p:0").await, Standing::Paid { .. }));
    let soon = Act::Accept {
        after: Duration::ZERO,
        pays: false,
    };
    ledger.submit("p:1", instruction("1"), soon).await;
    assert!(matches!(
        ledger.look_up("p:1", false).await,
        Some(Standing::Declined { .. })
    ));
}

#[tokio::test]
async fn a_closed_key_is_never_paid() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(&folder.path().join("ledger")).unwrap();
    assert!(matches!(ledger.close("p:0").await, Standing::Declined { .. }));
    let answer = ledger.submit("p:0", instruction("1"), Act::Pay).await;
    assert!(matches!(answer, Some(Standing::Declined { .. })));
}
