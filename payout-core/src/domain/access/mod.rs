//! API keys: authentication and authorization of callers.
//!
//! - [`ApiKeyId`] identifies a key for as long as the store exists, through every rotation. [`KeyName`] is its name for
//!   people and in the audit trail.
//! - [`Token`] is the secret, shown once. Its [`KeyDigest`], keyed with a [`KeySecret`], is stored.
//! - [`ApiKey`] is a key as it is listed, and [`HeldKey`] an active key that requests are checked against.
//! - [`Ring`] is the set of all active keys at one moment, in memory. It finds the [`Principal`] of a token.
//! - [`Scopes`] are the permissions that a key grants.

mod digest;
mod id;
mod key;
mod name;
mod principal;
mod ring;
mod scope;
mod token;

pub use digest::{Hasher, KeyDigest, KeySecret, SecretId, ShortSecret, TokenDigest};
pub use id::ApiKeyId;
pub use key::{ApiKey, HeldKey, NewApiKey};
pub use name::{InvalidKeyName, KeyName, RESTORE_NAME};
pub use principal::{OPEN_NAME, Principal};
pub use ring::{Holder, Ring};
pub use scope::{Scope, Scopes, UnknownScope};
pub use token::Token;
