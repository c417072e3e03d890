//! API keys: who may ask for what.
//!
//! - [`ApiKeyId`] names a key for as long as the store lives, whatever secret it has at the time; [`KeyName`] is what
//!   people call it, and what the audit trail says.
//! - [`Token`] is the secret, shown once. What is stored is its [`KeyDigest`], keyed with a [`KeySecret`].
//! - [`ApiKey`] is a key as people see it, [`HeldKey`] as requests are held against it.
//! - [`Ring`] is all of them at one moment, in memory; it finds the [`Principal`] of a token.
//! - [`Scopes`] say what a key opens.

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
