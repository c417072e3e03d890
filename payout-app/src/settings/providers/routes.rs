//! The routes of the file of providers, and the check that each can match a payment.

use payout_core::money::{Amount, Currency};
use payout_core::payout::RecipientType;
use payout_core::provider::{Capabilities, ProviderName, Route};
use rust_decimal::Decimal;

use super::mistake::{ProviderMistake, line_of};
use super::table::{Entry, Table, either};
use crate::near::nearest;

/// The keys of a route's condition.
const CONDITION: [&str; 4] = ["below", "currency", "from", "recipient"];

/// A route with its place in the file.
pub(super) struct PlacedRoute<'a> {
    pub(super) route: Route,
    table: Table<'a>,
}

/// Reads a route. `known` has the names of the providers.
pub(super) fn read<'a>(table: Table<'a>, known: &[ProviderName]) -> Result<PlacedRoute<'a>, ProviderMistake> {
    table.refuse_unknown(["use", "when"])?;
    let providers = table.get("use").ok_or_else(|| {
        table.mistake_of(
            "use",
            "is missing: list the providers, in the order in which they are tried",
        )
    })?;
    let providers = providers.each(|item, text| provider(item, text, known))?;
    let mut route = Route {
        currencies: None,
        recipients: None,
        below: None,
        from: None,
        providers,
    };
    if let Some(when) = table.get("when") {
        let when = when.table()?;
        when.refuse_unknown(CONDITION)?;
        let list = |key| when.get(key);
        route.currencies = list("currency").map(|entry| entry.each(currency)).transpose()?;
        route.recipients = list("recipient").map(|entry| entry.each(recipient)).transpose()?;
        route.below = list("below").map(|entry| amount(&entry)).transpose()?;
        route.from = list("from").map(|entry| amount(&entry)).transpose()?;
        if let (Some(below), Some(from)) = (route.below, route.from)
            && below <= from
        {
            let message = format!("{below} is not more than `from` ({from}): the route can never match");
            return Err(when.mistake_of("below", message));
        }
    }
    Ok(PlacedRoute { route, table })
}

fn provider(item: &Entry<'_>, text: &str, known: &[ProviderName]) -> Result<ProviderName, ProviderMistake> {
    let names = || known.iter().map(ProviderName::as_str);
    match known.iter().find(|name| name.as_str() == text) {
        Some(name) => Ok(name.clone()),
        None => Err(item.mistake(match nearest(text, names()) {
            Some(near) => format!("there is no provider {text:?}; is {near:?} meant?"),
            None => format!("there is no provider {text:?}: use {}", either(names())),
        })),
    }
}

fn currency(item: &Entry<'_>, text: &str) -> Result<Currency, ProviderMistake> {
    text.parse().map_err(|_| {
        item.mistake(format!(
            "{text:?} is not the ISO 4217 code of a currency that payouts can be made in"
        ))
    })
}

fn recipient(item: &Entry<'_>, text: &str) -> Result<RecipientType, ProviderMistake> {
    text.parse().map_err(|_| {
        let all = either(RecipientType::ALL.iter().map(|kind| kind.as_str()));
        item.mistake(format!("{text:?} is not a type of recipient: use {all}"))
    })
}

/// Takes an amount as a text or as a whole number; a float would not be exact.
fn amount(entry: &Entry<'_>) -> Result<Decimal, ProviderMistake> {
    let text = match entry.digits() {
        Some(digits) => digits,
        None => entry
            .text()
            .map_err(|_| entry.mistake("is not an amount: use a text such as \"5000.50\""))?,
    };
    let amount: Amount = text.parse().map_err(|_| {
        entry.mistake(format!(
            "{text:?} is not an amount above zero, such as \"5000.50\""
        ))
    })?;
    Ok(amount.number().normalize())
}

/// Refuses a route that can never match: the routes before it match every payment that it is for, or none of its
/// providers can make one that is left.
pub(super) fn refuse_unreachable<'c>(
    routes: &[PlacedRoute<'_>],
    capabilities: impl Fn(&ProviderName) -> Option<&'c Capabilities>,
    text: &str,
) -> Result<(), ProviderMistake> {
    for (index, PlacedRoute { route, table }) in routes.iter().enumerate() {
        let earlier: Vec<&PlacedRoute<'_>> = routes.iter().take(index).collect();
        let left = left_by(route, &earlier);
        if left.is_empty() {
            let lines: Vec<String> = earlier
                .iter()
                .filter(|earlier| overlap(&earlier.route, route))
                .map(|earlier| line_of(text, earlier.table.at()).to_string())
                .collect();
            let lines = lines.join(", ");
            return Err(table.mistake(format!(
                "can never match: every payment that it is for matches a route before it (line {lines})"
            )));
        }
        let able = |currency: Currency, recipient: RecipientType| {
            let providers = route.providers.iter().filter_map(&capabilities);
            providers
                .filter(|capabilities| pays(capabilities, currency, recipient))
                .count()
                > 0
        };
        if !left
            .iter()
            .any(|(currency, recipient)| able(*currency, *recipient))
        {
            return Err(table.mistake_of(
                "use",
                "can never pay: none of these providers pays the currencies and recipients of the payments that \
                 reach this route",
            ));
        }
    }
    Ok(())
}

fn pays(capabilities: &Capabilities, currency: Currency, recipient: RecipientType) -> bool {
    let of_currency = |paid: &Vec<Currency>| paid.contains(&currency);
    let of_recipient = |paid: &Vec<RecipientType>| paid.contains(&recipient);
    capabilities.currencies.as_ref().is_none_or(of_currency)
        && capabilities.recipients.as_ref().is_none_or(of_recipient)
}

/// Returns the currencies and types of recipients for which some amount is left to a route by earlier ones.
fn left_by(route: &Route, earlier: &[&PlacedRoute<'_>]) -> Vec<(Currency, RecipientType)> {
    let currencies = match &route.currencies {
        Some(currencies) => currencies.clone(),
        None => Currency::all().filter(|currency| currency.is_payable()).collect(),
    };
    let recipients = route.recipients.as_deref().unwrap_or(RecipientType::ALL);
    let mut left = Vec::new();
    for currency in currencies {
        for recipient in recipients {
            let ahead = earlier.iter().map(|earlier| &earlier.route);
            let ahead = ahead.filter(|earlier| is_for(earlier, currency, *recipient));
            if amount_is_left(route, ahead) {
                left.push((currency, *recipient));
            }
        }
    }
    left
}

fn is_for(route: &Route, currency: Currency, recipient: RecipientType) -> bool {
    let of_currency = |wanted: &Vec<Currency>| wanted.contains(&currency);
    let of_recipient = |wanted: &Vec<RecipientType>| wanted.contains(&recipient);
    route.currencies.as_ref().is_none_or(of_currency) && route.recipients.as_ref().is_none_or(of_recipient)
}

/// Returns whether an amount of the route's range is in none of the earlier routes' ranges.
fn amount_is_left<'r>(route: &Route, earlier: impl Iterator<Item = &'r Route>) -> bool {
    let mut ranges: Vec<(Decimal, Option<Decimal>)> = earlier
        .map(|route| (route.from.unwrap_or_default(), route.below))
        .collect();
    ranges.sort_unstable_by_key(|(from, _)| *from);
    let mut covered_below = route.from.unwrap_or_default();
    for (from, below) in ranges {
        if from > covered_below {
            break;
        }
        match below {
            None => return false,
            Some(below) => covered_below = covered_below.max(below),
        }
    }
    route.below.is_none_or(|below| covered_below < below)
}

fn overlap(one: &Route, other: &Route) -> bool {
    let shares = |below: Option<Decimal>, from: Option<Decimal>| {
        below.is_none_or(|below| from.unwrap_or_default() < below)
    };
    let currencies = one
        .currencies
        .as_ref()
        .zip(other.currencies.as_ref())
        .is_none_or(|(one, other)| one.iter().any(|currency| other.contains(currency)));
    let recipients = one
        .recipients
        .as_ref()
        .zip(other.recipients.as_ref())
        .is_none_or(|(one, other)| one.iter().any(|kind| other.contains(kind)));
    currencies && recipients && shares(one.below, other.from) && shares(other.below, one.from)
}
