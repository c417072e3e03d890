//! Cases for the state of providers.

use std::time::Duration;

use super::{Routed, new_of, provider, sweep_of};
use crate::contract::{Pair, build, drive};
use crate::payout::Actor;
use crate::provider::ProviderCalls;

type Repositories = Pair<dyn Routed>;

/// A paused provider is listed, everywhere, until it is resumed.
pub async fn a_paused_provider_is_listed_until_it_is_resumed(Pair { port, peer }: Repositories) {
    assert_eq!(port.paused_providers().await.unwrap(), []);
    port.pause_provider(&provider("two"), &build::operator("Their bank is closed."))
        .await
        .unwrap();
    port.pause_provider(&provider("one"), &build::client())
        .await
        .unwrap();
    // Paused again, it keeps its first reason.
    port.pause_provider(&provider("two"), &build::operator("Again."))
        .await
        .unwrap();
    let paused = peer.paused_providers().await.unwrap();
    let names: Vec<&str> = paused.iter().map(|paused| paused.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(paused[1].reason.as_deref(), Some("Their bank is closed."));
    assert_eq!(
        (paused[1].by.as_str(), paused[0].reason.as_deref()),
        ("operator", None)
    );
    for _ in 0..2 {
        peer.resume_provider(&provider("two"), &build::client())
            .await
            .unwrap();
    }
    assert_eq!(port.paused_providers().await.unwrap().len(), 1);
}

/// Workers that were seen lately are counted, the asking one among them.
pub async fn workers_that_were_seen_lately_are_counted(Pair { port, peer }: Repositories) {
    let (one, two) = (Actor::new("worker-1"), Actor::new("worker-2"));
    let long = Duration::from_secs(60);
    assert_eq!(port.count_workers(&one, long).await.unwrap(), 1);
    assert_eq!(peer.count_workers(&two, long).await.unwrap(), 2);
    assert_eq!(port.count_workers(&one, long).await.unwrap(), 2);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(
        port.count_workers(&one, Duration::from_millis(50)).await.unwrap(),
        1
    );
}

/// Every provider with due payouts is named, with the time since which the first has been due.
pub async fn providers_with_due_payouts_are_named(Pair { port, .. }: Repositories) {
    assert_eq!(port.due_providers().await.unwrap(), []);
    let first = drive::store(&*port, new_of("two")).await;
    drive::store(&*port, new_of("two")).await;
    drive::store(&*port, new_of("one")).await;
    drive::store(&*port, new_of("zero")).await;
    let claim = port.claim(&sweep_of("zero")).await.unwrap().won.remove(0);
    drive::settled(&*port, claim, build::completed("ref")).await;
    let unnamed = drive::stored(&*port).await;
    let mut due = port.due_providers().await.unwrap();
    due.sort_by_key(|due| due.name.clone());
    let names: Vec<Option<&str>> = due
        .iter()
        .map(|due| due.name.as_ref().map(|name| name.as_str()))
        .collect();
    assert_eq!(names, [None, Some("one"), Some("two")]);
    assert_eq!(Some(due[0].since), unnamed.parts().due_at);
    assert_eq!(Some(due[2].since), first.parts().due_at);
}

/// The calls of all workers are added up by provider.
pub async fn calls_are_added_up_by_provider(Pair { port, peer }: Repositories) {
    let said = |name: Option<&str>, calls, errors| ProviderCalls {
        provider: name.map(provider),
        calls,
        errors,
    };
    let hour = Duration::from_secs(60 * 60);
    assert_eq!(port.count_calls(hour).await.unwrap(), []);
    port.add_calls(&[said(Some("two"), 5, 1), said(Some("one"), 2, 0), said(None, 1, 1)])
        .await
        .unwrap();
    peer.add_calls(&[said(Some("one"), 3, 3)]).await.unwrap();
    let expected = [said(None, 1, 1), said(Some("one"), 5, 3), said(Some("two"), 5, 1)];
    assert_eq!(port.count_calls(hour).await.unwrap(), expected);
    assert_eq!(peer.count_calls(hour).await.unwrap(), expected);
}
