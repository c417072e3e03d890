//! The hosts of a database, and which of them takes writes.
//!
//! The pools connect to one host. If it stops being of use, a task looks for the one that takes writes, as libpq does
//! for each connection: every host is tried in the order of the URL, beginning with the current one.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::address::TargetSession;
use super::session::{SessionSettings, Unfit, not_repeated};
use crate::storage::sql::error::SqlError;

/// The time that a host has to answer, where there are others.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_millis(200);

/// The pause after a round that found the current host in order.
const AFTER_A_FALSE_ALARM: Duration = Duration::from_secs(1);

/// The hosts of one database.
pub(super) struct Hosts {
    options: Vec<PgConnectOptions>,
    names: Vec<String>,
    target: TargetSession,
    /// Set if a pooler decides which server a statement reaches, so that a connection says nothing of it.
    pooled: bool,
    current: AtomicUsize,
    trouble: Notify,
    /// The hosts and their reasons, while none of them is of use.
    failure: Mutex<Option<String>>,
}

impl Hosts {
    pub(super) fn new(
        options: Vec<PgConnectOptions>,
        names: Vec<String>,
        target: TargetSession,
        pooled: bool,
    ) -> Self {
        Self {
            options,
            names,
            target,
            pooled,
            current: AtomicUsize::new(0),
            trouble: Notify::new(),
            failure: Mutex::default(),
        }
    }

    pub(super) fn are_several(&self) -> bool {
        self.options.len() > 1
    }

    pub(super) fn target(&self) -> TargetSession {
        self.target
    }

    /// Reports that the current host may be of no use any more.
    pub(super) fn doubt(&self) {
        if self.are_several() {
            self.trouble.notify_one();
        }
    }

    /// Connects to the host that takes writes, without any settings.
    ///
    /// # Errors
    /// The driver's error, or that of a server which is of no use.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        if !self.are_several() {
            let Some(options) = self.options.first() else {
                return Err(sqlx::Error::PoolClosed);
            };
            let mut connection = options.connect().await?;
            return match self.check(&mut connection).await? {
                Ok(()) => Ok(connection),
                Err(unfit) => Err(not_repeated(unfit.error())),
            };
        }
        let (_, connection) = self.look().await?;
        Ok(connection)
    }

    async fn check(&self, connection: &mut PgConnection) -> Result<Result<(), Unfit>, sqlx::Error> {
        if self.pooled {
            return Ok(Unfit::version(connection).map_or(Ok(()), Err));
        }
        SessionSettings::new([]).apply(connection, self.target).await
    }

    /// Tries every host once, beginning with the current one.
    async fn look(&self) -> Result<(usize, PgConnection), sqlx::Error> {
        let current = self.current.load(Ordering::Relaxed);
        let others = (0..self.options.len()).filter(|index| *index != current);
        let mut refused = Vec::new();
        for index in std::iter::once(current).chain(others) {
            let (Some(options), Some(name)) = (self.options.get(index), self.names.get(index)) else {
                continue;
            };
            let attempt = timeout(PATIENCE, async {
                let mut connection = options.connect().await?;
                let fits = self.check(&mut connection).await?;
                Ok::<_, sqlx::Error>(fits.map(|()| connection))
            });
            let why = match attempt.await {
                Ok(Ok(Ok(connection))) => {
                    self.current.store(index, Ordering::Relaxed);
                    self.note(None);
                    return Ok((index, connection));
                }
                Ok(Ok(Err(unfit @ Unfit::TooOld(_)))) => return Err(not_repeated(unfit.error())),
                Ok(Ok(Err(unfit))) => unfit.in_a_list().to_owned(),
                Ok(Err(error)) => said(&error),
                Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
            };
            refused.push(format!("{name} ({why})"));
        }
        let hosts = refused.join(", ");
        self.note(Some(hosts.clone()));
        Err(not_repeated(SqlError::NoHost { hosts }))
    }

    fn note(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Returns the error of the last search, if it found no host.
    pub(super) fn failure(&self) -> Option<SqlError> {
        let hosts = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        Some(SqlError::NoHost { hosts })
    }

    /// Starts the task that looks for another host when the current one is in doubt, and reports each change with the
    /// options of the new one. It ends when the returned value is dropped.
    pub(super) fn watch(self: Arc<Self>, moved: impl Fn(PgConnectOptions) + Send + 'static) -> Option<Watch> {
        if !self.are_several() {
            return None;
        }
        let watch = tokio::spawn(async move {
            // The first host of the list need not be the one that takes writes.
            self.doubt();
            loop {
                self.trouble.notified().await;
                let before = self.current.load(Ordering::Relaxed);
                match self.search().await {
                    Some(same) if same == before => sleep(AFTER_A_FALSE_ALARM).await,
                    Some(other) => self.move_to(other, &moved),
                    None => sleep(PAUSE).await,
                }
            }
        });
        Some(Watch(watch))
    }

    fn move_to(&self, index: usize, moved: impl Fn(PgConnectOptions)) {
        let (Some(options), Some(host)) = (self.options.get(index), self.names.get(index)) else {
            return;
        };
        tracing::warn!(
            host,
            "another host of the database takes the writes: connecting to it"
        );
        moved(options.clone());
    }

    /// Looks once; a failed search is repeated by the next doubt, or by itself after a pause.
    async fn search(&self) -> Option<usize> {
        match self.look().await {
            Ok((index, connection)) => {
                let _ = connection.close().await;
                Some(index)
            }
            Err(_) => {
                self.doubt();
                None
            }
        }
    }
}

impl Unfit {
    /// Describes a host in a list.
    fn in_a_list(self) -> &'static str {
        match self {
            Self::Standby => "a standby",
            Self::ReadOnly => "read-only",
            Self::TooOld(_) => "too old",
        }
    }
}

/// Shortens an error for a list. The server's detail and hint are not part of it.
fn said(error: &sqlx::Error) -> String {
    if let sqlx::Error::Io(error) = error {
        return error.to_string();
    }
    let of_the_server = error.as_database_error().map(|error| error.message().to_owned());
    of_the_server.unwrap_or_else(|| error.to_string())
}

/// Omits the options, which contain the password.
impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// The running task of [`Hosts::watch`].
#[derive(Debug)]
pub(super) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
