//! The effects that the payouts of a dry run would have: approvals, likely duplicates, and daily limits.

use std::collections::HashMap;

use rust_decimal::Decimal;
use tokio::sync::mpsc;

use super::create::Members;
use super::{BatchError, Batches};
use crate::money::Money;
use crate::payout::{LikelyPayment, NewPayout, PaymentDetails, PayoutId};
use crate::spending::{Charge, SpendingBucket};
use crate::stored_recipient::RecipientId;
use crate::usecase::Sight;

/// The largest number of likely duplicates that are listed.
const LISTED: usize = 1_000;

/// The effects of a batch that is not stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forecast {
    /// The number of payouts that would await approval.
    pub awaiting_approval: u64,
    /// The number of payouts whose amount requires approval.
    pub for_amount: u64,
    /// The number of payouts that require approval as likely duplicates.
    pub for_duplicate: u64,
    /// The largest number of people who must approve one payout.
    pub approvers: u8,
    /// The likely duplicates: the first thousand.
    pub duplicates: Vec<LikelyDuplicate>,
    /// The daily limits that the batch exceeds, by the order of their currencies. It would not be stored.
    pub limits: Vec<ForecastLimit>,
}

/// A row that likely duplicates another payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LikelyDuplicate {
    /// The number of the row.
    pub row: u64,
    /// The other payment.
    pub of: OtherPayment,
}

/// The payment that a row duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherPayment {
    /// An earlier row.
    Row(u64),
    /// A stored payout.
    Payout(PayoutId),
}

/// A daily limit that a batch exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForecastLimit {
    /// The limit.
    pub limit: Money,
    /// The sum that is charged to it today.
    pub charged: Decimal,
    /// The sum of the batch.
    pub sum: Decimal,
}

/// The rows so far.
#[derive(Default)]
struct Seen {
    forecast: Forecast,
    sight: Sight,
    /// The last row of each payment.
    payments: HashMap<ComparedPayment, u64>,
    charges: HashMap<SpendingBucket, Charge>,
}

/// A payment as far as a caller may know whether another row repeats it.
#[derive(PartialEq, Eq, Hash)]
enum ComparedPayment {
    Likely(LikelyPayment),
    /// The money and a stored recipient, which the caller may not see. Compared with an account in another row, it
    /// would reveal whether that is the recipient's.
    Hidden(Money, RecipientId),
}

impl ComparedPayment {
    fn of(details: &PaymentDetails, sight: Sight) -> Self {
        match (sight, details.recipient_id) {
            (Sight::Whole, _) | (Sight::Masked | Sight::Nothing, None) => {
                Self::Likely(details.likely_payment())
            }
            (Sight::Masked | Sight::Nothing, Some(id)) => Self::Hidden(details.money, id),
        }
    }
}

impl Batches {
    /// Tells what would become of the payouts of a batch. For a caller that may not see recipients they are compared
    /// with no stored payout.
    ///
    /// # Errors
    /// [`BatchError::Service`].
    pub(super) async fn forecast(&self, members: Members, sight: Sight) -> Result<Forecast, BatchError> {
        let compares = sight == Sight::Whole;
        let (sender, mut parts) = mpsc::channel(2);
        let making = super::blocking(move || {
            members.in_parts(|rows, part| sender.blocking_send((rows, part)).is_ok());
        });
        let reading = async {
            let mut seen = Seen {
                sight,
                ..Seen::default()
            };
            while let Some((rows, part)) = parts.recv().await {
                let looks = part.iter().any(|new| new.duplicates_within().is_some());
                let stored = if compares && looks {
                    self.repository.likely_duplicates(&part).await?
                } else {
                    HashMap::new()
                };
                for (row, new) in rows.into_iter().zip(&part) {
                    seen.add(row, new, &stored);
                }
            }
            // A failed read must not wait for the parts that nobody takes.
            drop(parts);
            Ok::<_, BatchError>(seen)
        };
        let ((), seen) = tokio::join!(making, reading);
        self.within_limits(seen?).await
    }

    /// Compares the sums with the daily limits.
    async fn within_limits(&self, seen: Seen) -> Result<Forecast, BatchError> {
        let Seen {
            mut forecast,
            charges,
            ..
        } = seen;
        if charges.is_empty() {
            return Ok(forecast);
        }
        let buckets: Vec<SpendingBucket> = charges.keys().copied().collect();
        let totals = self.repository.daily_totals(&buckets).await?;
        for (bucket, charge) in charges {
            let charged = totals.of(bucket).map_or(Decimal::ZERO, |total| total.total);
            let sum = charge.amount().amount();
            if charged.saturating_add(sum) > charge.limit().amount() {
                forecast.limits.push(ForecastLimit {
                    limit: charge.limit(),
                    charged,
                    sum,
                });
            }
        }
        forecast
            .limits
            .sort_by_key(|exceeded| exceeded.limit.currency().code());
        Ok(forecast)
    }
}

impl Seen {
    fn add(&mut self, row: u64, new: &NewPayout, stored: &HashMap<PayoutId, PayoutId>) {
        if let Some(charge) = &new.charge {
            let sum = self.charges.get(&charge.bucket());
            let sum = sum.map_or(*charge, |sum| sum.and(charge));
            self.charges.insert(charge.bucket(), sum);
        }
        let Some(approval) = &new.approval else {
            return;
        };
        let other = self.other(row, new, stored);
        let required = approval.required.max(u8::from(other.is_some()));
        let forecast = &mut self.forecast;
        forecast.for_amount += u64::from(approval.required > 0);
        forecast.awaiting_approval += u64::from(required > 0);
        forecast.approvers = forecast.approvers.max(required);
        let Some(of) = other else {
            return;
        };
        forecast.for_duplicate += 1;
        if forecast.duplicates.len() < LISTED {
            forecast.duplicates.push(LikelyDuplicate { row, of });
        }
    }

    /// Returns the payment that a row duplicates: an earlier row, or else a stored payout.
    fn other(
        &mut self,
        row: u64,
        new: &NewPayout,
        stored: &HashMap<PayoutId, PayoutId>,
    ) -> Option<OtherPayment> {
        let payment = ComparedPayment::of(&new.details, self.sight);
        let earlier = self.payments.insert(payment, row);
        new.duplicates_within()?;
        let earlier = earlier.map(OtherPayment::Row);
        earlier.or_else(|| stored.get(&new.id).copied().map(OtherPayment::Payout))
    }
}
