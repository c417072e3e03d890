//! Money in the document: the currencies, and the amounts that each accepts.

use std::sync::LazyLock;

use payout_core::money::{Currency, MAX_DIGITS};
use serde_json::json;
use utoipa::openapi::schema::{AnyOfBuilder, OneOfBuilder, Schema};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Type};

use super::constrained;

/// All currencies, computed once.
static CURRENCIES: LazyLock<Vec<Currency>> = LazyLock::new(|| Currency::all().collect());

/// The number of digits of a JSON number that every parser represents exactly.
const EXACT_DIGITS: u32 = 15;

/// Returns the schema of a payable currency.
pub(crate) fn currency() -> ObjectBuilder {
    codes(|_| true)
        .description(Some(
            "The ISO 4217 code of a currency that payouts can be made in today. Accepted in any case.",
        ))
        .examples([json!("EUR")])
}

/// Returns the schema of an amount of any currency, as clients send it.
pub(crate) fn any_amount() -> OneOfBuilder {
    let most = decimals().last().copied().unwrap_or_default();
    OneOfBuilder::new()
        .description(Some(
            "Above zero, at most 18 digits with all of its currency's decimals, and no more decimals than the currency has (2 \
             for USD, 0 for JPY, 3 for BHD). A string is safest: some JSON writers round numbers.",
        ))
        .item(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some(pattern(MAX_DIGITS, most)))
                .examples([json!("125.50")]),
        )
        .item(
            ObjectBuilder::new()
                .schema_type(Type::Number)
                .exclusive_minimum(Some(0.0))
                .examples([json!(125.5)]),
        )
}

/// Returns the schema of a currency that stored payouts may have, including those that are no longer payable.
pub(crate) fn recorded_currency() -> ObjectBuilder {
    let codes = CURRENCIES.iter().map(|currency| currency.code());
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(codes))
}

fn codes(which: impl Fn(Currency) -> bool) -> ObjectBuilder {
    let payable = CURRENCIES
        .iter()
        .filter(|currency| currency.is_payable() && which(**currency));
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(payable.map(|currency| currency.code())))
}

/// Returns the schema of an amount with this number of decimals.
fn amount(decimals: u32) -> OneOfBuilder {
    let text = pattern(MAX_DIGITS - decimals, decimals);
    let largest = 10_f64.powi(i32::try_from(EXACT_DIGITS - decimals).unwrap_or_default()) - 1.0;
    let finest = format!("1e-{decimals}").parse::<f64>().unwrap_or(1.0);
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::String).pattern(Some(text)))
        .item(
            ObjectBuilder::new()
                .schema_type(Type::Number)
                .exclusive_minimum(Some(0.0))
                .maximum(Some(largest))
                .multiple_of(Some(finest)),
        )
}

/// Returns the pattern of an amount above zero, with the maximum numbers of digits before and after the point.
fn pattern(whole: u32, decimals: u32) -> String {
    let fraction = match decimals {
        0 => String::new(),
        decimals => format!(r"(\.[0-9]{{1,{decimals}}})?"),
    };
    format!("^(?=.*[1-9])[0-9]{{1,{whole}}}{fraction}$")
}

/// Returns the distinct numbers of decimals of payable currencies.
fn decimals() -> Vec<u32> {
    let payable = CURRENCIES.iter().filter(|currency| currency.is_payable());
    let mut all: Vec<u32> = payable.map(|currency| currency.minor_units()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn of_currencies_with(decimals: u32) -> ObjectBuilder {
    ObjectBuilder::new()
        .property("currency", codes(|currency| currency.minor_units() == decimals))
        .property("amount", amount(decimals))
}

/// Adds the constraint of a body with an amount and a currency: no more decimals than the currency has.
pub(crate) fn with_both(body: RefOr<Schema>) -> Schema {
    let fitting = decimals().into_iter().fold(AnyOfBuilder::new(), |any, decimals| {
        any.item(of_currencies_with(decimals))
    });
    constrained(body, fitting.build())
}

/// Adds the constraints of a body that may have either. Without a currency the amount must be whole, so that it is
/// valid for any currency of the payout. Without an amount the currency must accept any amount.
pub(crate) fn with_either(body: RefOr<Schema>) -> Schema {
    let all = decimals();
    let alone = ObjectBuilder::new()
        .property(
            "currency",
            codes(|currency| Some(&currency.minor_units()) == all.last()),
        )
        .property("amount", amount(0));
    let fitting = all.iter().fold(AnyOfBuilder::new().item(alone), |any, decimals| {
        any.item(
            of_currencies_with(*decimals)
                .required("currency")
                .required("amount"),
        )
    });
    // A field that must be null is a field that must be absent.
    let absent = || Object::builder().schema_type(Type::Null);
    let fields = [
        "amount",
        "currency",
        "recipient",
        "recipient_account",
        "recipient_name",
        "description",
    ];
    let step = fields
        .into_iter()
        .fold(ObjectBuilder::new().required("status"), |step, field| {
            step.property(field, absent())
        });
    let either = AnyOfBuilder::new()
        .item(ObjectBuilder::new().property("status", absent()))
        .item(step);
    constrained(RefOr::T(constrained(body, fitting.build())), either.build())
}
