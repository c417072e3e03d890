//! A batch of new payouts by columns, as UNNEST takes it.

use std::borrow::Cow;

use payout_core::Timestamp;
use payout_core::payout::{NewPayout, ProviderKey, StatementText};
use payout_core::ports::RepositoryError;
use payout_core::stored_recipient::RecipientId;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::encryption::EncryptionKeys;
use crate::storage::sql::approvals::ApprovalColumns;
use crate::storage::sql::details::metadata_column;
use crate::storage::sql::recipient::{StoredRecipient, WrittenAnswer, mac};
use crate::storage::sql::row::provider_column;
use crate::storage::sql::stored::without_nul;
use crate::storage::sql::totals::{self, Stored};

/// The columns of a batch.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) amounts: Vec<Decimal>,
    pub(super) currencies: Vec<&'a str>,
    pub(super) accounts: Vec<Cow<'a, str>>,
    pub(super) names: Vec<&'a str>,
    pub(super) folded_names: Vec<String>,
    pub(super) descriptions: Vec<&'a str>,
    pub(super) scheduled: Vec<Option<Timestamp>>,
    pub(super) actors: Vec<&'a str>,
    pub(super) request_ids: Vec<Option<String>>,
    pub(super) reasons: Vec<Option<String>>,
    pub(super) keys: Vec<Option<&'a str>>,
    pub(super) fingerprints: Vec<Option<[u8; 32]>>,
    pub(super) snapshots: Vec<Option<String>>,
    pub(super) provider_keys: Vec<Option<Uuid>>,
    pub(super) unscoped_keys: Vec<&'a str>,
    pub(super) sealed: Vec<Option<Vec<u8>>>,
    pub(super) sealed_answers: Vec<Option<Vec<u8>>>,
    pub(super) macs: Vec<Option<Vec<u8>>>,
    pub(super) recipient_details: Vec<Option<Cow<'a, str>>>,
    pub(super) providers: Vec<&'a str>,
    pub(super) external_ids: Vec<Option<&'a str>>,
    pub(super) metadata: Vec<Option<String>>,
    pub(super) statement_texts: Vec<Option<&'a str>>,
    pub(super) batches: Vec<Option<Uuid>>,
    pub(super) created_people: Vec<Option<String>>,
    pub(super) approvals_required: Vec<i16>,
    pub(super) approval_reasons: Vec<Option<String>>,
    pub(super) recipient_ids: Vec<Option<Uuid>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(
        batch: &[&'a NewPayout],
        under_their_ids: bool,
        keys: &EncryptionKeys,
    ) -> Result<Self, RepositoryError> {
        let has_approvals = batch.iter().any(|new| new.approval.is_some());
        let mut columns = Self::default();
        for new in batch.iter().copied() {
            let details = &new.details;
            let recipient = StoredRecipient::of(new.id.as_uuid(), &details.recipient, keys)?;
            columns.ids.push(new.id.as_uuid());
            columns.amounts.push(details.money.amount());
            columns.currencies.push(details.money.currency().code());
            columns.accounts.push(recipient.account);
            columns.names.push(recipient.name);
            columns.folded_names.push(recipient.name_folded);
            columns.recipient_details.push(recipient.details);
            columns.providers.push(provider_column(new.provider.as_ref()));
            columns.descriptions.push(details.description.as_str());
            columns.scheduled.push(details.scheduled_at);
            columns.external_ids.push(totals::external_id_of(new));
            columns.metadata.push(metadata_column(&details.metadata)?);
            let text = details.statement_text.as_ref().map(StatementText::as_str);
            columns.statement_texts.push(text);
            if has_approvals {
                let approval = ApprovalColumns::of_new(new)?;
                columns.created_people.push(approval.created_person);
                columns.approvals_required.push(approval.required);
                columns.approval_reasons.push(approval.reasons);
            }
            let id = details.recipient_id.map(RecipientId::as_uuid);
            columns.recipient_ids.push(id);
            columns.batches.push(new.batch.map(|place| place.id.as_uuid()));
            columns.actors.push(new.caller.actor.as_str());
            columns
                .request_ids
                .push(new.caller.request_id.as_deref().map(without_nul));
            columns
                .reasons
                .push(new.caller.reason.as_deref().map(without_nul));
            let request = new.request.as_ref();
            columns.keys.push(request.map(|request| request.key.as_str()));
            // The times in it are put in when it is read.
            let stored = Stored {
                at: Timestamp::UNIX_EPOCH,
                under_its_id: under_their_ids,
            };
            let answered = |request| WrittenAnswer::of(&stored.payout(new), request, keys);
            let answer = request.map(answered).transpose()?;
            columns
                .fingerprints
                .push(answer.as_ref().map(|answer| answer.fingerprint));
            let (snapshot, sealed_answer) = match answer {
                Some(answer) => (Some(answer.snapshot), answer.sealed),
                None => (None, None),
            };
            columns.snapshots.push(snapshot);
            let provider_key = new.provider_key().filter(|_| !under_their_ids);
            columns.provider_keys.push(provider_key.map(ProviderKey::as_uuid));
            columns
                .unscoped_keys
                .extend(request.and_then(|request| request.key.unscoped()));
            if !keys.is_empty() {
                columns.sealed.push(recipient.sealed);
                columns.sealed_answers.push(sealed_answer);
                columns.macs.push(mac(&stored.payout(new), 1, keys)?);
            }
        }
        Ok(columns)
    }
}
