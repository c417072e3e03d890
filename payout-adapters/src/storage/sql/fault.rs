//! The faults of a store that an operator must distinguish.

use std::error::Error;

use payout_core::ports::RepositoryError;

use super::error::SqlError;

/// The reason why a SQL store cannot be used, as far as it makes a difference to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// The store is unreachable, busy, or failing in some other way: it may recover by itself.
    Away,
    /// No server takes writes: the server, the database or the role is read-only, or no host of several is the primary.
    /// A failover ends that.
    ReadOnlyServer,
    /// The server, to which the address leads alone, is a standby.
    Standby,
    /// The server's version is older than those that are supported.
    TooOld,
    /// The server works on writes and confirms none: a synchronous standby is gone, or its disk hangs.
    Unconfirmed,
    /// The file, its folder or its file system is read-only.
    ReadOnlyFile,
    /// The disk is full.
    Full,
    /// The database file was deleted, moved or replaced while it is open.
    FileReplaced,
    /// The file cannot be opened.
    CannotOpen,
    /// The file is not a database, or is damaged.
    NotADatabase,
    /// The server rejects this user, or has no such user or database.
    NotLetIn,
}

impl StoreFault {
    /// Returns the fault behind an error of a repository.
    pub fn of(error: &RepositoryError) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<SqlError>() {
                return Self::of_sql(error);
            }
            cause = error.source();
        }
        Self::Away
    }

    /// Returns whether only a person can end the fault, so that a process which is starting need not wait.
    pub fn is_permanent(self) -> bool {
        match self {
            Self::Away | Self::ReadOnlyServer | Self::Unconfirmed | Self::Full => false,
            Self::Standby
            | Self::TooOld
            | Self::ReadOnlyFile
            | Self::FileReplaced
            | Self::CannotOpen
            | Self::NotADatabase
            | Self::NotLetIn => true,
        }
    }

    fn of_sql(error: &SqlError) -> Self {
        match error {
            SqlError::Database { code, .. } => Self::of_code(code),
            #[cfg(feature = "postgres")]
            SqlError::ReadOnlyServer | SqlError::NoHost { .. } => Self::ReadOnlyServer,
            #[cfg(feature = "postgres")]
            SqlError::Standby => Self::Standby,
            #[cfg(feature = "postgres")]
            SqlError::TooOld { .. } => Self::TooOld,
            #[cfg(feature = "postgres")]
            SqlError::StandbyConfirmsNothing { .. } | SqlError::WriteUnanswered => Self::Unconfirmed,
            #[cfg(feature = "sqlite")]
            SqlError::FileReplaced { .. } => Self::FileReplaced,
            // The server cannot do what the URL asks for, or its certificate is not trusted.
            SqlError::Driver(sqlx::Error::Tls(_)) => Self::NotLetIn,
            #[cfg(feature = "postgres")]
            SqlError::Deadline(_) => Self::Away,
            SqlError::NotMigrated { .. }
            | SqlError::Migration(_)
            | SqlError::Broken { .. }
            | SqlError::NoConnection
            | SqlError::Driver(_) => Self::Away,
        }
    }

    /// Classifies a code: a SQLSTATE has five characters, SQLite's codes have fewer.
    fn of_code(code: &str) -> Self {
        match code {
            "25006" => Self::ReadOnlyServer,
            "53100" => Self::Full,
            _ if code.len() == 5 && (code.starts_with("28") || code.starts_with("3D")) => Self::NotLetIn,
            _ if code.len() == 5 => Self::Away,
            // The low byte is the kind of error, the rest its reason.
            _ => match code.parse::<u32>().map(|code| (code & 0xff, code)) {
                // SQLite's code for a file that was moved.
                Ok((_, 1032)) => Self::FileReplaced,
                Ok((8, _)) => Self::ReadOnlyFile,
                Ok((13, _)) => Self::Full,
                Ok((3 | 14 | 23, _)) => Self::CannotOpen,
                Ok((11 | 26, _)) => Self::NotADatabase,
                Ok(_) | Err(_) => Self::Away,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_takes_a_person_is_permanent() {
        for (code, fault, permanent) in [
            ("28000", StoreFault::NotLetIn, true),
            ("28P01", StoreFault::NotLetIn, true),
            ("3D000", StoreFault::NotLetIn, true),
            ("25006", StoreFault::ReadOnlyServer, false),
            ("53100", StoreFault::Full, false),
            ("57P03", StoreFault::Away, false),
            ("53300", StoreFault::Away, false),
            ("13", StoreFault::Full, false),
            ("778", StoreFault::Away, false),
            ("5", StoreFault::Away, false),
            ("8", StoreFault::ReadOnlyFile, true),
            ("1544", StoreFault::ReadOnlyFile, true),
            ("1032", StoreFault::FileReplaced, true),
            ("14", StoreFault::CannotOpen, true),
            ("526", StoreFault::CannotOpen, true),
            ("11", StoreFault::NotADatabase, true),
            ("26", StoreFault::NotADatabase, true),
        ] {
            let message = String::new();
            let code = code.to_owned();
            let error = RepositoryError::Unavailable(Box::new(SqlError::Database { code, message }));
            let of = StoreFault::of(&error);
            assert_eq!((of, of.is_permanent()), (fault, permanent), "{error:?}");
        }
    }
}
