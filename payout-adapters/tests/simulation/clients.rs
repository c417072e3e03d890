//! Clients, which repeat a request until it is answered; operators, who cancel, edit, retry, delete and resolve payouts
//! and pause providers at random; people who approve and reject payouts; and the notifications of providers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payout_core::access::KeyOwner;
use payout_core::contract::build;
use payout_core::idempotency::IdempotencyKey;
use payout_core::payout::{Caller, Description, PaymentDetails, Payout, PayoutId, Resolution};
use payout_core::provider::{Notification, ProcessorKey};
use payout_core::usecase::providers::Providers;
use payout_core::usecase::{EditRequest, Payouts, Step};

use crate::chance::Chance;
use crate::ledger::{Entry, reference};
use crate::provider::Provider;

/// The payouts whose creation was answered, each with its idempotency key.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<Mutex<BTreeMap<PayoutId, String>>>);

impl Known {
    pub(crate) fn ids(&self) -> Vec<PayoutId> {
        self.0.lock().unwrap().keys().copied().collect()
    }

    fn pick(&self, chance: &Chance) -> Option<PayoutId> {
        let ids = self.ids();
        (!ids.is_empty()).then(|| ids[chance.below(ids.len() as u64) as usize])
    }
}

/// The use cases of one server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) payouts: Payouts,
    pub(crate) providers: Providers,
}

/// The running servers; each request goes to a random one.
#[derive(Clone, Default)]
pub(crate) struct Servers(pub(crate) Arc<Mutex<Vec<Server>>>);

impl Servers {
    fn any(&self, chance: &Chance) -> Server {
        let servers = self.0.lock().unwrap();
        servers[chance.below(servers.len() as u64) as usize].clone()
    }
}

const PATIENCE: Duration = Duration::from_secs(3);

/// Creates one payout: repeats a request under one idempotency key until it is answered, and sometimes after that. The
/// routes depend on the amount.
pub(crate) async fn client(number: u64, servers: Servers, known: Known, chance: Chance) {
    tokio::time::sleep(chance.up_to(Duration::from_secs(20))).await;
    let key = IdempotencyKey::new(&format!("key-{number}")).unwrap();
    // Some need no approval, some need one, and some need two.
    let amount = ["10.50", "99", "1050"][(number % 3) as usize];
    let details = PaymentDetails::new(
        build::money(amount, "EUR"),
        build::recipient_of(&format!("account-{number}"), "Ada"),
    );
    loop {
        let server = servers.any(&chance);
        let create = server
            .payouts
            .create(details.clone(), Some(key.clone()), Caller::named("client"));
        if let Ok(Ok(answered)) = tokio::time::timeout(PATIENCE, create).await {
            let mut known = known.0.lock().unwrap();
            let earlier = known
                .iter()
                .find(|(_, known_key)| known_key.as_str() == key.as_str())
                .map(|(id, _)| *id);
            assert!(
                earlier.is_none_or(|id| id == answered.payout.id()),
                "one key made two payouts"
            );
            known.insert(answered.payout.id(), key.as_str().to_owned());
            if !chance.percent(30) {
                return;
            }
        }
        tokio::time::sleep(chance.up_to(Duration::from_millis(700))).await;
    }
}

/// Pushes notifications of payments until the task is aborted: true ones, some twice or late, and forged ones.
pub(crate) async fn notifications(servers: Servers, providers: Vec<Provider>, chance: Chance) {
    loop {
        tokio::time::sleep(chance.up_to(Duration::from_secs(1))).await;
        let provider = &providers[chance.below(providers.len() as u64) as usize];
        let payments = provider.ledger.lock().unwrap().len() as u64;
        let number = chance.below(payments + 2) as usize;
        let notification = Notification {
            headers: Vec::new(),
            body: reference(number).as_str().as_bytes().to_vec(),
        };
        let server = servers.any(&chance);
        let notify = server.providers.notify(&provider.name, &notification);
        let _ = tokio::time::timeout(PATIENCE, notify).await;
    }
}

/// Acts on random payouts and providers until the task is aborted.
pub(crate) async fn operator(servers: Servers, known: Known, providers: Vec<Provider>, chance: Chance) {
    loop {
        tokio::time::sleep(chance.up_to(Duration::from_millis(900))).await;
        let server = servers.any(&chance);
        if chance.percent(6) {
            let provider = &providers[chance.below(providers.len() as u64) as usize];
            let act = pause_or_resume(&server, provider, &chance);
            let _ = tokio::time::timeout(PATIENCE, act).await;
            continue;
        }
        let Some(id) = known.pick(&chance) else { continue };
        let act = act(&server.payouts, id, &providers, &chance);
        let _ = tokio::time::timeout(PATIENCE, act).await;
    }
}

async fn pause_or_resume(server: &Server, provider: &Provider, chance: &Chance) {
    let caller = Caller::named("operator");
    if chance.percent(35) {
        drop(server.providers.pause(&provider.name, &caller).await);
    } else {
        drop(server.providers.resume(&provider.name, &caller).await);
    }
}

async fn act(server: &Payouts, id: PayoutId, providers: &[Provider], chance: &Chance) {
    let caller = Caller::named("operator");
    match chance.below(11) {
        0 => drop(server.step(id, Step::Cancel, None, caller).await),
        1 | 2 => {
            let key = chance
                .percent(50)
                .then(|| IdempotencyKey::new(&format!("retry-{id}-{}", chance.below(3))).unwrap());
            drop(server.retry(id, None, key, caller).await);
        }
        3 => {
            let description = Some(Description::new(&format!("edit {}", chance.below(9))).unwrap());
            drop(
                server
                    .edit(
                        id,
                        EditRequest {
                            description,
                            // Across the rules, and back.
                            amount: chance
                                .percent(30)
                                .then(|| ["20", "120"][chance.below(2) as usize].parse().unwrap()),
                            ..EditRequest::default()
                        },
                        None,
                        caller,
                    )
                    .await,
            );
        }
        4 if chance.percent(30) => drop(server.delete(id, None, caller).await),
        5 => mark_returned(server, id, providers, caller).await,
        _ => resolve(server, id, providers, caller).await,
    }
}

/// Approves, and sometimes rejects, random payouts until the task is aborted.
pub(crate) async fn approver(name: &'static str, servers: Servers, known: Known, chance: Chance) {
    let caller = Caller::named(name).with_owner(Some(KeyOwner::new(name).unwrap()));
    loop {
        tokio::time::sleep(chance.up_to(Duration::from_millis(600))).await;
        let Some(id) = known.pick(&chance) else { continue };
        let server = servers.any(&chance);
        let act = async {
            if chance.percent(4) {
                drop(
                    server
                        .payouts
                        .reject(id, None, caller.clone().because("No."))
                        .await,
                );
            } else {
                drop(server.payouts.approve(id, None, caller.clone()).await);
            }
        };
        let _ = tokio::time::timeout(PATIENCE, act).await;
    }
}

fn key_of(payout: &Payout) -> ProcessorKey {
    ProcessorKey::new(payout.id(), payout.parts().provider_key, payout.generation())
}

/// Returns the provider that a payout names.
pub(crate) fn provider_of<'a>(payout: &Payout, providers: &'a [Provider]) -> Option<&'a Provider> {
    let name = payout.parts().provider.as_ref();
    providers.iter().find(|provider| Some(&provider.name) == name)
}

/// Asks the provider that the payout names for the outcome of a payment and closes its key, then resolves the payout
/// accordingly.
async fn resolve(server: &Payouts, id: PayoutId, providers: &[Provider], caller: Caller) {
    let Ok(payout) = server.get(id).await else { return };
    if !payout.needs_review() {
        return;
    }
    let Some(provider) = provider_of(&payout, providers) else {
        return;
    };
    let resolution = match provider.close(&key_of(&payout), id) {
        Entry::Paid | Entry::Returned => Resolution::Completed,
        Entry::Declined | Entry::Accepted | Entry::Spent => Resolution::Failed,
    };
    drop(
        server
            .step(id, Step::Resolve(resolution), Some(&[payout.version()]), caller)
            .await,
    );
}

/// Marks a payout as returned if the statement of its provider has its payment as returned.
async fn mark_returned(server: &Payouts, id: PayoutId, providers: &[Provider], caller: Caller) {
    let Ok(payout) = server.get(id).await else { return };
    let Some(provider) = provider_of(&payout, providers) else {
        return;
    };
    let came_back = {
        let ledger = provider.ledger.lock().unwrap();
        let number = ledger.latest(&provider.name, key_of(&payout).as_str());
        number.is_some_and(|number| ledger.get(number).entry == Entry::Returned)
    };
    if came_back {
        let versions = [payout.version()];
        drop(server.step(id, Step::MarkReturned, Some(&versions), caller).await);
    }
}
