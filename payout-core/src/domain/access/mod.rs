//! API keys: authentication and authorization of callers.
//!
//! - [`ApiKeyId`] identifies a key for as long as the store exists, through every rotation. [`KeyName`] is its name for
//!   people and in the audit trail.
//! - [`Token`] is the secret, shown once. Its [`KeyDigest`], keyed with a [`KeySecret`], is stored.
//! - [`ApiKey`] is a key as it is listed, and [`HeldKey`] an active key that requests are checked against.
//! - [`Ring`] is the set of all active keys at one moment, in memory. It finds the [`Principal`] of a token.
//! - [`Scopes`] are the permissions that a key grants.
//! - [`SessionToken`] is the secret of a person's session in the console, of which [`SessionDigest`] is stored.
//! - [`KeyOwner`] is the person who holds a key: two keys of one owner are one person where approvals are counted.

mod digest;
mod id;
mod key;
mod name;
mod owner;
mod principal;
mod ring;
mod scope;
mod session;
mod token;

pub use digest::{Hasher, KeyDigest, KeySecret, SecretId, ShortSecret, TokenDigest};
pub use id::ApiKeyId;
pub use key::{ApiKey, HeldKey, NewApiKey};
pub use name::{InvalidKeyName, KeyName, RESTORE_NAME};
pub use owner::{InvalidKeyOwner, KeyOwner};
pub use principal::{OPEN_NAME, Principal};
pub use ring::{Holder, Ring};
pub use scope::{Scope, Scopes, UnknownScope};
pub use session::{NewSession, SESSION_LASTS, SessionDigest, SessionToken};
pub use token::Token;
