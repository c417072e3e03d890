//! The connections of the queue. Every step has a time limit.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow, Postgres};
use sqlx::query::QueryAs;
use sqlx::{ConnectOptions, FromRow};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::failure::Failure;
use crate::storage::sql::error::breaks_connection;

pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The time limit for the answer to a statement, connecting and waiting for its turn included.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The database's hosts.
pub(super) type Hosts = Arc<[PgConnectOptions]>;

/// Connects to the first host that answers and takes writes, and returns its place. A single host is not asked: its own
/// errors say more.
pub(super) async fn dial(hosts: &[PgConnectOptions]) -> Result<(usize, PgConnection), Failure> {
    let mut last = Failure::Timeout("connecting");
    for (place, options) in hosts.iter().enumerate() {
        let connecting = async {
            let mut connection = options.connect().await?;
            let is_fit = hosts.len() == 1 || {
                let standby = sqlx::query_scalar::<_, bool>("SELECT pg_is_in_recovery()");
                !standby.fetch_one(&mut connection).await?
            };
            Ok::<_, sqlx::Error>((connection, is_fit))
        };
        match timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok((connection, true))) => return Ok((place, connection)),
            Ok(Ok((_, false))) => (),
            Ok(Err(error)) => last = error.into(),
            Err(_) => last = Failure::Timeout("connecting"),
        }
    }
    Err(last)
}

/// Returns the options of the queue's sessions.
///
/// A commit does not wait for the disk, since hints may be lost. The table of hints is nearly always empty, so its
/// statistics tell nothing, and its rows are always looked for by their numbers.
pub(super) fn session(options: PgConnectOptions, application_name: &str) -> PgConnectOptions {
    options.application_name(application_name).options([
        ("synchronous_commit", "off"),
        ("statement_timeout", "2000ms"),
        ("lock_timeout", "500ms"),
        ("idle_in_transaction_session_timeout", "2000ms"),
        ("default_transaction_isolation", "read committed"),
        ("jit", "off"),
        ("enable_seqscan", "off"),
    ])
}

/// A connection that is opened on first use, and again after it was lost. One call at a time uses it.
pub(super) struct Line {
    hosts: Hosts,
    open: Mutex<Option<PgConnection>>,
}

impl Line {
    pub(super) fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            open: Mutex::default(),
        }
    }

    /// Runs a statement. One whose connection was lost is repeated once over a fresh connection: no statement of the
    /// queue does harm when it runs twice, and only using a connection shows that the server was restarted since.
    pub(super) async fn run<'q, Row>(
        &self,
        statement: impl Fn() -> QueryAs<'q, Postgres, Row, PgArguments> + Send,
    ) -> Result<Vec<Row>, Failure>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let bounded = timeout(ANSWER_WITHIN, async {
            let mut open = self.open.lock().await;
            // Empty while the connection is in use: a call that is dropped midway must not leave its answer to the next.
            if let Some(mut connection) = open.take() {
                match statement().fetch_all(&mut connection).await {
                    Err(error) if breaks_connection(&error) => {}
                    answer => {
                        *open = Some(connection);
                        return Ok(answer?);
                    }
                }
            }
            let (_, mut connection) = dial(&self.hosts).await?;
            let answer = statement().fetch_all(&mut connection).await;
            if !matches!(&answer, Err(error) if breaks_connection(error)) {
                *open = Some(connection);
            }
            Ok(answer?)
        });
        bounded.await.map_err(|_| Failure::Timeout("statement"))?
    }
}
