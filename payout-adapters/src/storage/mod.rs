//! Repositories and API keys, by database, and what operating a database takes besides the ports.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod admin;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod reads;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use reads::ReadLimits;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::fault::StoreFault;
