//! API keys: who may ask for what.
//!
//! [`ApiKeyId`] names a key for as long as the store lives, whatever secret it has at the time; [`Scopes`] say what it
//! opens; [`Principal`] is whoever a request was found to come from.

mod id;
mod principal;
mod scope;

pub use id::ApiKeyId;
pub use principal::{OPEN_NAME, Principal};
pub use scope::{Scope, Scopes, UnknownScope};
