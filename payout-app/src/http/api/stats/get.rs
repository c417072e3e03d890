//! `GET /api/stats/`

use chrono::NaiveDate;
use payout_core::access::Scope;
use payout_core::ports::Clock;
use payout_core::provider::ProviderName;
use payout_core::stats::{CurrencySum, Days, DaysError, Group, GroupKey, Grouping, Summary};
use payout_core::usecase::ServiceError;
use rust_decimal::Decimal;
use salvo::{Depot, Request, handler};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use crate::http::answer::Answer;
use crate::http::extract::field::Field;
use crate::http::extract::fields::Message;
use crate::http::extract::query::{Query, QueryForm, QueryPolicy, QueryValue};
use crate::http::extract::query_values::one_of;
use crate::http::middleware::context::Context;
use crate::http::openapi::ValueSchema;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The number of days until today that are counted by default.
const DAYS: u16 = 30;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<StatsQuery>()),
    ..RoutePolicy::scoped(&[Scope::Read])
};

impl QueryValue for NaiveDate {
    fn read(text: &str) -> Result<Self, Message> {
        text.parse().map_err(|_| "Use a date, such as 2026-11-24.".into())
    }

    fn schema() -> ValueSchema {
        let date = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)));
        ValueSchema::inline(date)
    }
}

impl QueryValue for Grouping {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "day" => Ok(Self::Day),
            "currency" => Ok(Self::Currency),
            "status" => Ok(Self::Status),
            "provider" => Ok(Self::Provider),
            _ => Err("Use day, currency, status or provider.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(one_of(["day", "currency", "status", "provider"]))
    }
}

/// The query: the days, and the grouping.
struct StatsQuery {
    from: Option<NaiveDate>,
    to: Field<NaiveDate>,
    by: Option<Grouping>,
}

impl Query for StatsQuery {
    fn of(form: &mut impl QueryForm) -> Self {
        let from = form.one(
            "from",
            "The first day (UTC) on which payouts were created; by default 30 days are counted.",
        );
        let to = form.one(
            "to",
            "The last day, today by default. A period has at most 366 days.",
        );
        let by = form.one("by", "Groups the payouts, beside the total.");
        Self {
            from: from.value(),
            to,
            by: by.value(),
        }
    }
}

impl StatsQuery {
    fn read(query: &str, today: NaiveDate) -> Result<(Days, Option<Grouping>), Problem> {
        Self::parse_with(query, |query, errors| {
            let to = query.to.value().unwrap_or(today);
            let days = match query.from {
                None => Days::until(to, DAYS),
                Some(from) => Days::new(from, to).unwrap_or_else(|error| {
                    if query.to.is_given() {
                        errors.add("to", error.to_string());
                    } else if error == DaysError::Reversed {
                        errors.add("from", "Ensure that this day is not after today.");
                    } else {
                        errors.add("from", error.to_string());
                    }
                    Days::until(to, DAYS)
                }),
            };
            (days, query.by)
        })
    }
}

/// Statistics of the payouts that were created in a period.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub(crate) struct StatsBody {
    /// The first day.
    #[schema(value_type = String, format = Date, example = "2026-11-01")]
    from: NaiveDate,
    /// The last day.
    #[schema(value_type = String, format = Date, example = "2026-11-30")]
    to: NaiveDate,
    /// All payouts of the period.
    total: SummaryBody,
    /// The groups that have payouts, if `by` asks for groups.
    groups: Vec<GroupBody>,
}

/// A summary of payouts.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsSummary)]
pub(crate) struct SummaryBody {
    /// The number of payouts.
    #[schema(example = 500)]
    payouts: u64,
    /// The payouts by currency.
    sums: Vec<SumBody>,
    /// The time from creation, or from `scheduled_at` if that is later, to completion; null if none was completed.
    #[schema(required = true)]
    time_to_pay: Option<TimeToPayBody>,
}

/// The payouts in one currency.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsSum)]
pub(crate) struct SumBody {
    /// The ISO 4217 code of the currency.
    #[schema(example = "EUR")]
    currency: &'static str,
    /// Their number.
    #[schema(example = 500)]
    payouts: u64,
    /// The sum of their amounts.
    #[serde(serialize_with = "number")]
    #[schema(value_type = String, example = "62750.00")]
    amount: Decimal,
}

/// Times in seconds, at most a tenth off.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsTimeToPay)]
pub(crate) struct TimeToPayBody {
    /// The time within which half of the payouts were completed.
    #[schema(example = 1.2)]
    p50: f64,
    /// The time within which 95 of 100 were completed.
    #[schema(example = 4.8)]
    p95: f64,
}

/// A group of payouts.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsGroup)]
pub(crate) struct GroupBody {
    /// The day, currency, status or provider; null for payouts whose provider has no name.
    #[schema(required = true, example = "completed")]
    key: Option<String>,
    #[serde(flatten)]
    summary: SummaryBody,
}

impl From<&Summary> for SummaryBody {
    fn from(summary: &Summary) -> Self {
        let times = &summary.time_to_pay;
        let sum = |sum: CurrencySum| SumBody {
            currency: sum.currency.code(),
            payouts: sum.payouts,
            amount: sum.amount,
        };
        Self {
            payouts: summary.payouts(),
            sums: summary.sums().map(sum).collect(),
            time_to_pay: times
                .quantile(0.5)
                .zip(times.quantile(0.95))
                .map(|(p50, p95)| TimeToPayBody {
                    p50: in_millis(p50),
                    p95: in_millis(p95),
                }),
        }
    }
}

impl From<&Group> for GroupBody {
    fn from(group: &Group) -> Self {
        let key = match &group.key {
            GroupKey::Day(day) => Some(day.to_string()),
            GroupKey::Currency(code) => Some((*code).to_owned()),
            GroupKey::Status(status) => Some(status.as_str().to_owned()),
            GroupKey::Provider(name) => name.as_ref().map(ProviderName::to_string),
        };
        Self {
            key,
            summary: SummaryBody::from(&group.summary),
        }
    }
}

fn number<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// Rounds seconds to the millisecond.
fn in_millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Get statistics of payouts
///
/// Counts, sums by currency and times to pay of the payouts that were created in a period of whole days (UTC). The
/// counts are exact and as of now; deleted payouts are not counted. The answer costs the same for ten payouts and for
/// ten million.
#[utoipa::path(
    get,
    path = "/api/stats/",
    impl_for = get_stats,
    operation_id = "get_stats",
    tag = "Payouts",
    responses((status = 200, description = "The statistics.", body = StatsBody)),
)]
#[handler]
pub(crate) async fn get_stats(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let today = context.app_state.system.now().date_naive();
    let (days, by) = StatsQuery::read(request.uri().query().unwrap_or_default(), today)?;
    let stats = context.stats()?.summarize(days, by).await;
    let stats = stats.map_err(ServiceError::from)?;
    Answer::json(&StatsBody {
        from: days.first(),
        to: days.last(),
        total: SummaryBody::from(&stats.total),
        groups: stats.groups.iter().map(GroupBody::from).collect(),
    })
}
