//! Notifications: pushed to one URL, in the vendor's form, with the faults of the profile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::ledger::Payment;
use crate::shared::Shared;
use crate::vendor::Vendor;

/// A notification that is ready to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The headers, `Content-Type` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The longest time that a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of times that a notification is tried until a receiver answers with success.
const TRIES: u32 = 3;

/// Pushes the notification of each change to the URL, until the sending side is dropped.
pub(crate) async fn run(
    vendor: Arc<dyn Vendor>,
    shared: Arc<Shared>,
    mut changes: mpsc::UnboundedReceiver<Payment>,
) {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build() else {
        return;
    };
    while let Some(payment) = changes.recv().await {
        let Some(url) = shared.notify_url() else {
            continue;
        };
        let faults = shared.faults().notifications;
        let mut chance = shared.chance(&format!(
            "notification/{}/{}",
            shared.name_of(&payment),
            payment.sequence
        ));
        let (missing, doubled) = (chance.permille(faults.missing), chance.permille(faults.doubled));
        let (delayed, forged) = (chance.permille(faults.delayed), chance.permille(faults.forged));
        let delay = Duration::from_millis(chance.between(0, faults.delay_within_ms));
        let mut pushes = Vec::new();
        if forged {
            pushes.extend(vendor.notification(&payment, true));
        }
        if !missing {
            let genuine = vendor.notification(&payment, false);
            pushes.extend(genuine.clone().filter(|_| doubled));
            pushes.extend(genuine);
        }
        let (client, delay) = (client.clone(), if delayed { delay } else { Duration::ZERO });
        // A delayed notification arrives after the ones that follow, so each has a task of its own.
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            for push in pushes {
                send(&client, &url, &push).await;
            }
        });
    }
}

async fn send(client: &reqwest::Client, url: &str, push: &Push) {
    for _ in 0..TRIES {
        let mut request = client.post(url).body(push.body.clone());
        for (name, value) in &push.headers {
            request = request.header(name, value);
        }
        if request
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
