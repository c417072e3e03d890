//! The rows of reconciliation: payouts without their recipients, deleted ones included.

use std::str::FromStr;

use payout_core::money::{Currency, Money};
use payout_core::payout::{
    Description, PaymentDetails, PayoutId, ProviderKey, ProviderReference, StatementText, Status,
};
use payout_core::ports::{Filter, ListQuery, Order, Position, ReconciliationQuery, Record, RepositoryError};
use sqlx::FromRow;
use uuid::Uuid;

use super::error::refused;
use super::recipient::{parsed, recipient};
use super::row::provider;
use super::stored::{StoredAmount, StoredTime};
use super::window::{Page, Window};
use crate::encryption::EncryptionKeys;

/// The columns of a [`RecordRow`], for the constant statements of both dialects.
macro_rules! record_columns {
    () => {
        "payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name, payout.recipient_details, payout.sealed, \
         payout.description, payout.statement_text, payout.deleted_at IS NOT NULL AS deleted, payout.provider_key, payout.created_at, \
         state.status, state.needs_review, state.generation, state.version, state.provider_reference, \
         state.first_submitted_at, state.provider"
    };
}
pub(crate) use record_columns;

#[derive(FromRow)]
pub(crate) struct RecordRow {
    id: Uuid,
    amount: StoredAmount,
    currency: String,
    recipient_account: String,
    recipient_name: String,
    recipient_details: Option<String>,
    sealed: Option<Vec<u8>>,
    description: String,
    statement_text: Option<String>,
    status: String,
    needs_review: bool,
    deleted: bool,
    provider_key: Option<Uuid>,
    generation: i64,
    version: i64,
    provider_reference: Option<String>,
    first_submitted_at: Option<StoredTime>,
    created_at: StoredTime,
    provider: String,
}

impl RecordRow {
    /// Computes the digest of the payment; the decrypted recipient is used for nothing else.
    fn digest(&self, money: Money, keys: &EncryptionKeys) -> Option<String> {
        let sealed = self.sealed.as_deref();
        let text = recipient(
            self.id,
            &self.recipient_account,
            &self.recipient_name,
            self.recipient_details.as_deref(),
            sealed,
            keys,
        )
        .ok()?;
        let details = PaymentDetails {
            description: Description::new(&self.description).ok()?,
            statement_text: self
                .statement_text
                .as_deref()
                .map(StatementText::new)
                .transpose()
                .ok()?,
            ..PaymentDetails::new(money, parsed(&text).ok()?)
        };
        Some(details.digest())
    }

    pub(crate) fn restore(self, keys: &EncryptionKeys) -> Result<Record, RepositoryError> {
        let currency = Currency::recorded(&self.currency).map_err(refused)?;
        let money = Money::restore(self.amount.read()?, currency).map_err(refused)?;
        Ok(Record {
            id: PayoutId::from(self.id),
            money,
            digest: self.digest(money, keys),
            status: Status::from_str(&self.status).map_err(refused)?,
            needs_review: self.needs_review,
            deleted: self.deleted,
            provider_key: self.provider_key.map(ProviderKey::from),
            generation: u32::try_from(self.generation).map_err(refused)?,
            version: u64::try_from(self.version).map_err(refused)?,
            provider_reference: self
                .provider_reference
                .as_deref()
                .and_then(ProviderReference::new),
            first_submitted_at: self.first_submitted_at.map(|time| time.0),
            created_at: self.created_at.0,
            provider: provider(&self.provider)?,
        })
    }
}

/// Returns the bounds of a page, as for a list from the oldest payout on.
pub(crate) fn window(query: &ReconciliationQuery) -> Window {
    let list = ListQuery {
        filter: Filter {
            created_after: Some(query.since),
            created_before: Some(query.until),
            ..Filter::default()
        },
        order: Order::OldestFirst,
        position: query.after.map_or(Position::Offset(0), Position::After),
        limit: query.limit,
    };
    Page::of(&list).window
}
