//! Recipients that are stored for further payouts.

mod id;
mod stored;

pub use id::RecipientId;
pub use stored::{NewStoredRecipient, RecipientChange, StoredRecipient};
