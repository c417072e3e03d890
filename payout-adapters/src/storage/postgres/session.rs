//! A new session: what the server must be, and the settings with which the session begins.
//!
//! The settings are set once the session is open, not by parameters of its start: a pooler between this service and the
//! server accepts none of those that it does not know.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use payout_core::ports::{Clock, System};
use sqlx::postgres::PgConnection;

use super::address::TargetSession;
use crate::storage::sql::error::SqlError;

/// The oldest version of PostgreSQL that has what the statements use, as `server_version_num` writes it.
const OLDEST: u32 = 150_000;

/// Makes an acknowledged commit durable on disk in each session of the service, whatever the server, the database or
/// the role sets.
///
/// It never weakens the setting: `remote_apply` stays, and so does `remote_write`, which includes the flush on this
/// server. The session sets the value even where it is already right, so that a later change of the server's
/// configuration does not affect open sessions.
macro_rules! acknowledge_what_is_on_disk {
    ($only_here:literal) => {
        concat!(
            "set_config('synchronous_commit', CASE
                WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
                ELSE current_setting('synchronous_commit')
            END, ",
            $only_here,
            ")"
        )
    };
}

/// Reads what kind of server this is, and makes the settings.
const BEGIN_SESSION: &str = concat!(
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean, ",
    "(SELECT count(set_config(name, value, false)) FROM UNNEST($1::text[], $2::text[]) AS setting (name, value)), ",
    acknowledge_what_is_on_disk!("false")
);

/// The end of the text that begins a transaction with settings of its own.
const ACKNOWLEDGE_IN_TRANSACTION: &str = concat!("SELECT ", acknowledge_what_is_on_disk!("true"));

/// The settings of a session, by name.
#[derive(Debug, Clone)]
pub(super) struct SessionSettings(Vec<(&'static str, String)>);

impl SessionSettings {
    pub(super) fn new<'v>(settings: impl IntoIterator<Item = (&'static str, &'v str)>) -> Self {
        Self(
            settings
                .into_iter()
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
        )
    }

    /// Adds settings; a later one wins.
    pub(super) fn with<'v>(&self, settings: impl IntoIterator<Item = (&'static str, &'v str)>) -> Self {
        let mut this = self.clone();
        this.0.extend(Self::new(settings).0);
        this
    }

    /// Returns the statements that begin a transaction with these settings, which end with it.
    pub(super) fn begin(&self, how: &str) -> String {
        let mut text = format!("BEGIN {how}; ");
        for (name, value) in &self.0 {
            // These concern the session's next transactions; `how` says the same of this one.
            if !name.starts_with("default_transaction") {
                text += &format!("SET LOCAL {name} = '{value}'; ");
            }
        }
        text + ACKNOWLEDGE_IN_TRANSACTION
    }

    /// Checks the server behind a new connection, and sets the session up.
    ///
    /// # Errors
    /// [`Unfit`] if the server is not the kind that is needed.
    pub(super) async fn apply(
        &self,
        connection: &mut PgConnection,
        target: TargetSession,
    ) -> Result<Result<(), Unfit>, sqlx::Error> {
        if let Some(unfit) = Unfit::version(connection) {
            return Ok(Err(unfit));
        }
        let (names, values): (Vec<&str>, Vec<&str>) =
            self.0.iter().map(|(name, value)| (*name, value.as_str())).unzip();
        let begin = sqlx::query_as::<_, (bool, bool, i64, String)>(BEGIN_SESSION)
            .bind(names)
            .bind(values);
        let (is_standby, is_read_only, ..) = begin.fetch_one(connection).await?;
        Ok(match target {
            TargetSession::Primary | TargetSession::ReadWrite if is_standby => Err(Unfit::Standby),
            TargetSession::ReadWrite if is_read_only => Err(Unfit::ReadOnly),
            TargetSession::Any | TargetSession::Primary | TargetSession::ReadWrite => Ok(()),
        })
    }
}

/// The reason why a server that lets this user in is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is a standby.
    Standby,
    /// Its settings make it read-only.
    ReadOnly,
    /// Its version is too old.
    TooOld(u32),
}

impl Unfit {
    /// Returns what is wrong with the server's version. A server that does not tell it is not refused for that.
    pub(super) fn version(connection: &PgConnection) -> Option<Self> {
        let version = connection.server_version_num()?;
        (version < OLDEST).then_some(Self::TooOld(version))
    }

    pub(super) fn error(self) -> SqlError {
        match self {
            Self::Standby => SqlError::Standby,
            Self::ReadOnly => SqlError::ReadOnlyServer,
            Self::TooOld(version) => SqlError::TooOld {
                version: shown(version),
            },
        }
    }
}

/// Builds the driver's error that is closest to one of this service's. As after a passed deadline, nothing is repeated.
pub(super) fn not_repeated(error: SqlError) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, error))
}

/// Returns a version as people write it: 14.9 or 9.6.24.
fn shown(version: u32) -> String {
    let (major, rest) = (version / 10_000, version % 10_000);
    if major >= 10 {
        format!("{major}.{rest}")
    } else {
        format!("{major}.{}.{}", rest / 100, rest % 100)
    }
}

/// The reason for which the last new connection was given up. The driver's pool tries again, and does not report it.
#[derive(Debug, Default)]
pub(super) struct LastRefusal(Mutex<Option<(Duration, Unfit)>>);

impl LastRefusal {
    pub(super) fn note(&self, clock: &System, unfit: Unfit) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((clock.monotonic(), unfit));
    }

    /// Forgets it: a connection was opened.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the refusal, if it is not older than this.
    pub(super) fn within(&self, clock: &System, age: Duration) -> Option<Unfit> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, unfit) = last?;
        (clock.monotonic().saturating_sub(at) <= age).then_some(unfit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_shown_as_its_release_is_called() {
        assert_eq!(shown(140_009), "14.9");
        assert_eq!(shown(90_624), "9.6.24");
    }

    #[test]
    fn a_transaction_has_the_settings_of_a_session() {
        let settings = SessionSettings::new([
            ("jit", "off"),
            ("default_transaction_isolation", "read committed"),
        ]);
        let text = settings.with([("jit", "on")]).begin("READ ONLY");
        let set = "BEGIN READ ONLY; SET LOCAL jit = 'off'; SET LOCAL jit = 'on'; SELECT set_config(";
        assert!(text.starts_with(set), "{text}");
        assert!(text.contains("synchronous_commit"), "{text}");
    }
}
