//! Column types that the two dialects store differently, read by one row type.
//!
//! | value | PostgreSQL | SQLite |
//! |---|---|---|
//! | a time | `timestamptz` | microseconds since 1970, `INTEGER` |
//! | an amount | `numeric(22,4)` | decimal digits, `TEXT`: no number type of SQLite holds 22 digits exactly |

use chrono::SubsecRound;
use payout_core::Timestamp;
use payout_core::ports::RepositoryError;
use rust_decimal::Decimal;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Type};

use super::row::broken;

/// A time, to the microsecond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredTime(pub(crate) Timestamp);

/// An amount of money. It is absent where the column has no such number (it was altered): that must fail this row
/// alone, and not every row that is read with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredAmount(Option<Decimal>);

impl StoredAmount {
    pub(crate) fn read(self) -> Result<Decimal, RepositoryError> {
        self.0.ok_or_else(|| broken("amount")("no decimal number"))
    }
}

/// Truncates a time to the microsecond, the precision of the stores.
pub(crate) fn whole_micros(at: Timestamp) -> Timestamp {
    at.trunc_subsecs(6)
}

/// Converts a duration to microseconds, the unit of the stores; a duration beyond a century becomes a century.
pub(crate) fn as_micros(duration: std::time::Duration) -> i64 {
    const CENTURY_US: i64 = 100 * 365 * 24 * 60 * 60 * 1_000_000;
    i64::try_from(duration.as_micros()).map_or(CENTURY_US, |micros| micros.min(CENTURY_US))
}

/// Removes NUL characters: PostgreSQL refuses them, and SQLite's JSON would end there.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::postgres::{PgTypeInfo, PgValueRef, Postgres};

    use super::{BoxDynError, Database, Decimal, Decode, StoredAmount, StoredTime, Timestamp, Type};

    impl Type<Postgres> for StoredTime {
        fn type_info() -> PgTypeInfo {
            <Timestamp as Type<Postgres>>::type_info()
        }
    }

    impl<'r> Decode<'r, Postgres> for StoredTime {
        fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
            <Timestamp as Decode<Postgres>>::decode(value).map(Self)
        }
    }

    impl Type<Postgres> for StoredAmount {
        fn type_info() -> <Postgres as Database>::TypeInfo {
            <Decimal as Type<Postgres>>::type_info()
        }
    }

    impl<'r> Decode<'r, Postgres> for StoredAmount {
        fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
            Ok(Self(<Decimal as Decode<Postgres>>::decode(value).ok()))
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use sqlx::sqlite::{Sqlite, SqliteTypeInfo, SqliteValueRef};

    use super::{BoxDynError, Database, Decimal, Decode, StoredAmount, StoredTime, Timestamp, Type};

    impl Type<Sqlite> for StoredTime {
        fn type_info() -> SqliteTypeInfo {
            <i64 as Type<Sqlite>>::type_info()
        }

        fn compatible(ty: &SqliteTypeInfo) -> bool {
            <i64 as Type<Sqlite>>::compatible(ty)
        }
    }

    impl<'r> Decode<'r, Sqlite> for StoredTime {
        fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
            let micros = <i64 as Decode<Sqlite>>::decode(value)?;
            Timestamp::from_timestamp_micros(micros)
                .map(Self)
                .ok_or_else(|| "a time out of range".into())
        }
    }

    impl Type<Sqlite> for StoredAmount {
        fn type_info() -> <Sqlite as Database>::TypeInfo {
            <String as Type<Sqlite>>::type_info()
        }
    }

    impl<'r> Decode<'r, Sqlite> for StoredAmount {
        fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
            let digits = <&str as Decode<Sqlite>>::decode(value)?;
            Ok(Self(Decimal::from_str_exact(digits).ok()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_duration_overflows_the_stores_clock() {
        assert_eq!(as_micros(Duration::from_millis(5)), 5000);
        assert_eq!(
            as_micros(Duration::MAX),
            as_micros(Duration::from_secs(200 * 365 * 24 * 60 * 60))
        );
    }
}
