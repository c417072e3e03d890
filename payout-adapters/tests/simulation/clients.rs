//! Clients, which repeat a request until it is answered, and operators, who cancel, edit, retry, delete and resolve
//! payouts at random.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payout_core::contract::build;
use payout_core::idempotency::IdempotencyKey;
use payout_core::payout::{Caller, Description, PaymentDetails, PayoutId, Resolution};
use payout_core::provider::ProcessorKey;
use payout_core::usecase::{EditRequest, Payouts, Step};

use crate::chance::Chance;
use crate::provider::{Entry, Provider};

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

/// The running servers; each request goes to a random one.
#[derive(Clone, Default)]
pub(crate) struct Servers(pub(crate) Arc<Mutex<Vec<Payouts>>>);

impl Servers {
    fn any(&self, chance: &Chance) -> Payouts {
        let servers = self.0.lock().unwrap();
        servers[chance.below(servers.len() as u64) as usize].clone()
    }
}

const PATIENCE: Duration = Duration::from_secs(3);

/// Creates one payout: repeats a request under one idempotency key until it is answered, and sometimes after that.
pub(crate) async fn client(number: u64, servers: Servers, known: Known, chance: Chance) {
    tokio::time::sleep(chance.up_to(Duration::from_secs(20))).await;
    let key = IdempotencyKey::new(&format!("key-{number}")).unwrap();
    let details = PaymentDetails::new(
        build::money("10.50", "EUR"),
        build::recipient_of(&format!("account-{number}"), "Ada"),
    );
    loop {
        let request = servers.any(&chance);
        let create = request.create(details.clone(), None, Some(key.clone()), Caller::named("client"));
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

/// Acts on random payouts until the task is aborted.
pub(crate) async fn operator(servers: Servers, known: Known, provider: Provider, chance: Chance) {
    loop {
        tokio::time::sleep(chance.up_to(Duration::from_millis(900))).await;
        let Some(id) = known.pick(&chance) else { continue };
        let server = servers.any(&chance);
        let act = act(&server, id, &provider, &chance);
        let _ = tokio::time::timeout(PATIENCE, act).await;
    }
}

async fn act(server: &Payouts, id: PayoutId, provider: &Provider, chance: &Chance) {
    let caller = Caller::named("operator");
    match chance.below(10) {
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
                            ..EditRequest::default()
                        },
                        None,
                        caller,
                    )
                    .await,
            );
        }
        4 if chance.percent(30) => drop(server.delete(id, None, caller).await),
        _ => resolve(server, id, provider, caller).await,
    }
}

/// Asks the provider for the outcome of a payment and closes its key, then resolves the payout accordingly.
async fn resolve(server: &Payouts, id: PayoutId, provider: &Provider, caller: Caller) {
    let Ok(payout) = server.get(id).await else { return };
    if !payout.needs_review() {
        return;
    }
    let key = ProcessorKey::new(id, payout.parts().provider_key, payout.generation());
    let entry = provider.ledger.lock().unwrap().close(&key, id);
    let resolution = match entry {
        Entry::Paid => Resolution::Completed,
        Entry::Declined | Entry::Accepted => Resolution::Failed,
    };
    drop(
        server
            .step(id, Step::Resolve(resolution), Some(&[payout.version()]), caller)
            .await,
    );
}
