//! The check of a batch: every row by itself, the rows against each other, and their external ids against the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use rust_decimal::Decimal;

use super::create::BatchRequest;
use super::forecast::Forecast;
use super::rows::Rows;
use super::{BatchError, Batches};
use crate::Timestamp;
use crate::access::ApiKeyId;
use crate::batch::{ContentHash, ContentHasher, Mistake, Mistakes};
use crate::money::Currency;
use crate::payout::{ExternalId, InvalidSchedule, PaymentDetails, PayoutId};
use crate::provider::{NoRoute, ProviderName};
use crate::usecase::payouts::PaymentOrder;
use crate::usecase::{Payouts, Sight};

/// The number of external ids in one question to the store.
const ASKED: usize = 2_000;

/// The payouts of a batch in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrencyTotal {
    /// The currency.
    pub currency: Currency,
    /// The number of payouts.
    pub count: u64,
    /// The sum of their amounts.
    pub sum: Decimal,
}

/// Rows of a batch that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRange {
    /// The number of the first row.
    pub first: u64,
    /// The number of the last row.
    pub last: u64,
}

/// The payouts of a batch that one provider is planned for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderRows {
    /// The provider; absent where providers have no names.
    pub provider: Option<ProviderName>,
    /// The number of payouts.
    pub count: u64,
    /// Their rows, with those that are left out between them: the first thousand ranges.
    pub rows: Vec<RowRange>,
}

impl ProviderRows {
    /// The largest number of ranges that are listed.
    const RANGES: usize = 1_000;

    /// Adds a row. `before` is the row before it, if that has the same provider.
    fn add(&mut self, row: u64, before: Option<u64>) {
        self.count += 1;
        if let Some(range) = self.rows.last_mut()
            && Some(range.last) == before
        {
            range.last = row;
        } else if self.rows.len() < Self::RANGES {
            self.rows.push(RowRange {
                first: row,
                last: row,
            });
        }
    }
}

/// The result of a check that found nothing wrong: what the batch asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchReport {
    /// The number of payouts.
    pub payouts: u64,
    /// Their sums by currency, in the order of the codes.
    pub totals: Vec<CurrencyTotal>,
    /// The providers that the routes choose; not those of stored recipients that the caller may not read.
    pub providers: Vec<ProviderRows>,
    /// The rows that are left out, since their payouts are stored already.
    pub left_out: Vec<u64>,
    /// The effects of the payouts, if the request asked for them alone.
    pub forecast: Option<Forecast>,
}

/// A batch that was checked.
pub(super) struct Checked {
    pub(super) report: BatchReport,
    /// The rows that are left out.
    pub(super) left_out: HashSet<u64>,
}

/// A row with an external id.
struct Referenced {
    external_id: ExternalId,
    row: u64,
    /// The content of the row, if rows that are stored already are left out.
    content: Option<Box<RowContent>>,
}

/// The payment of a row, and its contribution to the report.
struct RowContent {
    order: PaymentOrder,
    currency: Currency,
    amount: Decimal,
    /// The provider, unless the caller may not know it.
    planned: Option<Option<ProviderName>>,
}

/// Everything that is found while the rows are read.
pub(super) struct Reading {
    hasher: ContentHasher,
    /// True if the fields of every row can be read, so that the content is known.
    is_readable: bool,
    mistakes: Mistakes,
    rows: u64,
    totals: BTreeMap<&'static str, CurrencyTotal>,
    providers: BTreeMap<Option<ProviderName>, ProviderRows>,
    /// The row before, and its provider.
    latest: Option<(u64, Option<ProviderName>)>,
    referenced: Vec<Referenced>,
    /// True to leave out rows that are stored already.
    only_new: bool,
}

/// The rules that a row is checked by, besides those of its fields.
struct Rules {
    payouts: Payouts,
    api_key: Option<ApiKeyId>,
    now: Timestamp,
    sight: Sight,
}

impl Rules {
    /// Returns the provider of a payment.
    ///
    /// # Errors
    /// What is wrong with it.
    fn provider(&self, row: u64, details: &PaymentDetails) -> Result<Option<ProviderName>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if let Some(Err(invalid)) = details
            .scheduled_at
            .map(|at| InvalidSchedule::check(at, self.now))
        {
            mistakes.push(Mistake::of(row, "scheduled_at", invalid.to_string()));
        }
        if let Err(over) = self.payouts.limits().of_new(details.money, self.api_key) {
            mistakes.push(Mistake::of(row, "amount", over.to_string()));
        }
        match self.payouts.route(details) {
            Ok(provider) if mistakes.is_empty() => return Ok(provider),
            Ok(_) => (),
            Err(_) if self.hides(details) => {
                mistakes.push(Mistake::of_row(row, NoRoute::WITHOUT_OBSTACLE));
            }
            Err(error) => mistakes.push(Mistake::of_row(row, error.to_string())),
        }
        Err(mistakes)
    }

    /// Returns whether the receiver is a copy of a stored recipient that the caller may not read. Its provider, or the
    /// lack of one, would tell what the recipient is.
    fn hides(&self, details: &PaymentDetails) -> bool {
        self.sight == Sight::Nothing && details.recipient_id.is_some()
    }
}

impl Batches {
    /// Reads every row of a batch, and checks it by itself.
    ///
    /// # Errors
    /// [`BatchError::Empty`].
    pub(super) async fn read(
        &self,
        rows: &Arc<Rows>,
        request: &BatchRequest,
        api_key: Option<ApiKeyId>,
    ) -> Result<Reading, BatchError> {
        let rules = Rules {
            payouts: self.payouts.clone(),
            api_key,
            now: self.payouts.now(),
            sight: request.sight,
        };
        let hasher = ContentHasher::new(
            request.external_id.as_ref(),
            &request.description,
            request.scheduled_at,
        );
        let reading = Reading::new(hasher, request.only_new);
        let rows = rows.clone();
        let reading = super::blocking(move || reading.of(&rows, &rules)).await;
        if reading.rows == 0 && reading.mistakes.is_empty() {
            return Err(BatchError::Empty);
        }
        Ok(reading)
    }

    /// Compares the rows with the store, and reports what the batch asks for.
    ///
    /// # Errors
    /// [`BatchError::Mistakes`] with every wrong row, [`BatchError::Service`].
    pub(super) async fn check(&self, mut reading: Reading) -> Result<Checked, BatchError> {
        let left_out = self.compare_with_store(&mut reading).await?;
        if !reading.mistakes.is_empty() {
            return Err(BatchError::Mistakes(reading.mistakes));
        }
        let mut report = BatchReport {
            payouts: reading.rows - left_out.len() as u64,
            totals: reading.totals.into_values().collect(),
            providers: reading.providers.into_values().collect(),
            left_out: left_out.iter().copied().collect(),
            forecast: None,
        };
        report.totals.retain(|total| total.count > 0);
        report.providers.retain(|provider| provider.count > 0);
        report.left_out.sort_unstable();
        Ok(Checked { report, left_out })
    }

    /// Names the rows whose external ids are taken. If only new payouts are stored, rows whose payouts ask for the same
    /// are left out and returned.
    async fn compare_with_store(&self, reading: &mut Reading) -> Result<HashSet<u64>, BatchError> {
        let only_new = reading.only_new;
        let mut left_out = HashSet::new();
        let referenced = std::mem::take(&mut reading.referenced);
        for part in referenced.chunks(ASKED) {
            let ids: Vec<ExternalId> = part.iter().map(|row| row.external_id.clone()).collect();
            let taken = self.repository.taken_external_ids(&ids).await?;
            if taken.is_empty() {
                continue;
            }
            let stored = if only_new {
                self.payouts.orders_of(taken.values().copied().collect()).await?
            } else {
                HashMap::new()
            };
            for row in part {
                let Some(id) = taken.get(&row.external_id) else {
                    continue;
                };
                match stored.get(id).zip(row.content.as_deref()) {
                    Some((order, content)) if *order == content.order => {
                        left_out.insert(row.row);
                        reading.leave_out(content);
                    }
                    Some((order, content)) if order.sent == content.order.sent => {
                        reading.mistakes.add_row([scheduled_otherwise(row.row, *id)]);
                    }
                    Some(_) | None => reading.mistakes.add_row([taken_by(row.row, *id, only_new)]),
                }
            }
        }
        Ok(left_out)
    }
}

fn taken_by(row: u64, id: PayoutId, only_new: bool) -> Mistake {
    let message = if only_new {
        format!("Payout {id} has this external id and asks for something else.")
    } else {
        format!(
            "Payout {id} has this external id already. With only_new=true, rows that are stored are left out."
        )
    };
    Mistake::of(row, "external_id", message)
}

/// Names a row that differs from its stored payout in its schedule alone: left out, it would be paid at another time
/// than the row says.
fn scheduled_otherwise(row: u64, id: PayoutId) -> Mistake {
    let message =
        format!("Payout {id} has this external id and asks for the same, but its scheduled_at differs.");
    Mistake::of(row, "external_id", message)
}

impl Reading {
    fn new(hasher: ContentHasher, only_new: bool) -> Self {
        Self {
            hasher,
            is_readable: true,
            mistakes: Mistakes::default(),
            rows: 0,
            totals: BTreeMap::new(),
            providers: BTreeMap::new(),
            latest: None,
            referenced: Vec::new(),
            only_new,
        }
    }

    /// Reads every row.
    fn of(mut self, rows: &Rows, rules: &Rules) -> Self {
        for row in rows.read() {
            let details = match row.details {
                Ok(details) => details,
                Err(mistakes) => {
                    self.is_readable = false;
                    self.mistakes.add_row(mistakes);
                    continue;
                }
            };
            // A batch that is stored is recognized by its content, even if the limits have changed since.
            self.hasher.add(row.options.fingerprint(&details));
            let checked = match row.forbidden {
                None => rules.provider(row.number, &details),
                Some(forbidden) => Err(vec![forbidden]),
            };
            match checked {
                Ok(provider) => {
                    let planned = (!rules.hides(&details)).then_some(provider);
                    self.add(row.number, &details, planned);
                }
                Err(mistakes) => self.mistakes.add_row(mistakes),
            }
        }
        self.name_doubled();
        self
    }

    /// Returns the digest of the batch, if every row can be read.
    pub(super) fn content(&self) -> Option<ContentHash> {
        self.is_readable.then(|| self.hasher.clone().finish())
    }

    /// Adds a row. `planned` is its provider, unless the caller may not know it.
    fn add(&mut self, row: u64, details: &PaymentDetails, planned: Option<Option<ProviderName>>) {
        self.rows += 1;
        let (currency, amount) = (details.money.currency(), details.money.amount());
        let total = self.totals.entry(currency.code()).or_insert(CurrencyTotal {
            currency,
            count: 0,
            sum: Decimal::ZERO,
        });
        total.count += 1;
        total.sum = total.sum.saturating_add(amount);
        let latest = self.latest.take();
        if let Some(provider) = &planned {
            let before = latest.filter(|(_, before)| before == provider);
            let of_provider = self.providers.entry(provider.clone()).or_default();
            of_provider.provider.clone_from(provider);
            of_provider.add(row, before.map(|(row, _)| row));
            self.latest = Some((row, provider.clone()));
        }
        if let Some(external_id) = details.external_id.clone() {
            let content = || RowContent {
                order: PaymentOrder::of(details),
                currency,
                amount,
                planned,
            };
            self.referenced.push(Referenced {
                external_id,
                row,
                content: self.only_new.then(|| Box::new(content())),
            });
        }
    }

    fn leave_out(&mut self, content: &RowContent) {
        if let Some(total) = self.totals.get_mut(content.currency.code()) {
            total.count -= 1;
            total.sum -= content.amount;
        }
        let of_provider = content
            .planned
            .as_ref()
            .and_then(|provider| self.providers.get_mut(provider));
        if let Some(of_provider) = of_provider {
            of_provider.count -= 1;
        }
    }

    /// Names rows whose external id an earlier row has.
    fn name_doubled(&mut self) {
        self.referenced
            .sort_unstable_by(|one, other| (&one.external_id, one.row).cmp(&(&other.external_id, other.row)));
        let mut doubled = Vec::new();
        let mut first: Option<&Referenced> = None;
        for row in &self.referenced {
            match first {
                Some(earlier) if earlier.external_id == row.external_id => {
                    doubled.push((row.row, earlier.row))
                }
                Some(_) | None => first = Some(row),
            }
        }
        doubled.sort_unstable();
        for (row, earlier) in doubled {
            let message = format!("Row {earlier} has this external id too.");
            self.mistakes.add_row([Mistake::of(row, "external_id", message)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::money::Money;
    use crate::payout::{Recipient, RecipientAccount, RecipientName};
    use crate::ports::{MockJobQueue, MockPayoutRepository, System};
    use crate::provider::Routes;
    use crate::stored_recipient::RecipientId;

    /// Returns the rules of a service in which no provider can make any payment.
    fn rules(sight: Sight) -> Rules {
        let payouts = Payouts::start(
            Arc::new(MockPayoutRepository::new()),
            Arc::new(MockJobQueue::new()),
            Arc::new(System::default()),
        );
        Rules {
            payouts: payouts.routed_by(Arc::new(Routes::default())),
            api_key: None,
            now: Timestamp::UNIX_EPOCH,
            sight,
        }
    }

    fn details(recipient_id: Option<RecipientId>) -> PaymentDetails {
        let account = RecipientAccount::new("ACC-1").unwrap();
        let recipient = Recipient::new(account, RecipientName::new("Ada").unwrap());
        let money = Money::new("1".parse().unwrap(), "EUR".parse().unwrap()).unwrap();
        PaymentDetails {
            recipient_id,
            ..PaymentDetails::new(money, recipient)
        }
    }

    #[tokio::test]
    async fn a_wrong_row_tells_nothing_of_a_stored_recipient_that_the_caller_may_not_read() {
        let stored = Some(RecipientId::from(Uuid::from_u128(7)));
        let message = |sight, recipient_id| {
            let mistakes = rules(sight).provider(2, &details(recipient_id)).unwrap_err();
            mistakes[0].message.clone()
        };
        for (sight, recipient_id) in [
            (Sight::Whole, stored),
            (Sight::Masked, stored),
            (Sight::Nothing, None),
        ] {
            let message = message(sight, recipient_id);
            assert!(message.contains("of type account"), "{message}");
        }
        let hidden = message(Sight::Nothing, stored);
        assert_eq!(hidden, "No provider can make this payment.");
    }
}
