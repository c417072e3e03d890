//! A running stand-in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use crate::clock;
use crate::control;
use crate::faults::FaultProfile;
use crate::http;
use crate::ledger::{Ledger, Payment, Standing};
use crate::notifier;
use crate::shared::Shared;
use crate::vendor::Vendor;

/// The time between two looks at planned changes.
const TICK: Duration = Duration::from_millis(20);

/// Settings of a stand-in.
#[derive(Debug, Clone, Default)]
pub struct StandInSettings {
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// The ledger's file. Absent: the ledger is kept in memory.
    pub ledger: Option<PathBuf>,
    /// The seed of all faults.
    pub seed: u64,
    /// The faults.
    pub faults: FaultProfile,
    /// The URL to which notifications are pushed. Absent: none are.
    pub notify: Option<String>,
}

/// A running stand-in. It ends when it is dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl StandIn {
    /// Starts the stand-in of a vendor on loopback.
    ///
    /// # Errors
    /// The port is taken, or the ledger's file cannot be used.
    pub async fn start(vendor: impl Vendor, settings: StandInSettings) -> std::io::Result<Self> {
        Self::start_boxed(Arc::new(vendor), settings).await
    }

    /// Starts the stand-in of a vendor that is chosen at run time.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_boxed(vendor: Arc<dyn Vendor>, settings: StandInSettings) -> std::io::Result<Self> {
        let ledger = Ledger::open(settings.ledger.as_deref())?;
        let (shared, changes) = Shared::new(ledger, settings.seed, settings.faults, settings.notify);
        let shared = Arc::new(shared);
        let (listener, address) = http::listen(settings.port).await?;
        let tasks = vec![
            tokio::spawn(accept(listener, vendor.clone(), shared.clone())),
            tokio::spawn(tick(shared.clone())),
            tokio::spawn(notifier::run(vendor, shared.clone(), changes)),
        ];
        Ok(Self {
            address,
            shared,
            tasks,
        })
    }

    /// Returns the URL, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> &Ledger {
        self.shared.ledger()
    }

    /// Sets the faults of the calls and payments that follow.
    pub fn set_faults(&self, faults: FaultProfile) {
        self.shared.set_faults(faults);
    }

    /// Pays the payment of a key that was accepted. Returns `None` if no payment of the key can be changed so.
    pub async fn settle(&self, key: &str) -> Option<Payment> {
        control::end_payment(&self.shared, key, Standing::Paid, None).await
    }

    /// Declines the payment of a key that was accepted. Returns `None` if no payment of the key can be changed so.
    pub async fn decline(&self, key: &str, code: &str) -> Option<Payment> {
        control::end_payment(&self.shared, key, Standing::Declined, Some(code)).await
    }

    /// Returns the payment of a key that was paid. Returns `None` if no payment of the key can be changed so.
    pub async fn return_payment(&self, key: &str, code: &str) -> Option<Payment> {
        control::end_payment(&self.shared, key, Standing::Returned, Some(code)).await
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, vendor: Arc<dyn Vendor>, shared: Arc<Shared>) {
    // Dropped with this task, and with it all its connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let (vendor, shared) = (vendor.clone(), shared.clone());
                    connections.spawn(http::serve(stream, move |request| {
                        let (vendor, shared) = (vendor.clone(), shared.clone());
                        async move {
                            match control::answer(&request, &shared).await {
                                Some(answer) => answer.into(),
                                None => vendor.answer(request, &shared).await,
                            }
                        }
                    }));
                }
            }
            Some(_) = connections.join_next() => (),
        }
    }
}

async fn tick(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        for changed in shared.ledger().advance(clock::now()).await {
            shared.notify(&changed);
        }
    }
}
