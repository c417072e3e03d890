//! Routes: which providers may make a payment, in which order.

use std::collections::HashMap;

use rust_decimal::Decimal;

use crate::money::Currency;
use crate::payout::{PaymentDetails, RecipientType};
use crate::provider::{Capabilities, ProviderName};

/// A route: a condition and the providers to use where it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The currencies that it is for. Absent: all.
    pub currencies: Option<Vec<Currency>>,
    /// The types of recipients that it is for. Absent: all.
    pub recipients: Option<Vec<RecipientType>>,
    /// The amount below which it holds. Absent: no upper limit.
    pub below: Option<Decimal>,
    /// The amount from which it holds. Absent: no lower limit.
    pub from: Option<Decimal>,
    /// The providers, in the order in which they are tried.
    pub providers: Vec<ProviderName>,
}

impl Route {
    /// Builds a route for every payment to one provider.
    pub fn to(provider: ProviderName) -> Self {
        Self {
            currencies: None,
            recipients: None,
            below: None,
            from: None,
            providers: vec![provider],
        }
    }

    /// Returns whether the condition holds for a payment.
    pub fn matches(&self, details: &PaymentDetails) -> bool {
        let (money, recipient) = (details.money, details.recipient.kind());
        self.currencies
            .as_ref()
            .is_none_or(|wanted| wanted.contains(&money.currency()))
            && self
                .recipients
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&recipient))
            && self.below.is_none_or(|limit| money.amount() < limit)
            && self.from.is_none_or(|limit| money.amount() >= limit)
    }
}

/// The configured routes, with the capabilities of the providers that they name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    routes: Vec<Route>,
    providers: HashMap<ProviderName, Capabilities>,
}

/// No configured provider can make a payment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("No provider can make this payment: {missing}.")]
pub struct NoRoute {
    /// The obstacle, as a phrase for the client.
    pub missing: String,
}

impl NoRoute {
    /// The refusal without the obstacle, which reveals the type of the recipient and the currency: for a caller that may
    /// not know these.
    pub const WITHOUT_OBSTACLE: &str = "No provider can make this payment.";
}

impl Routes {
    /// Builds routes over providers. The first route that matches a payment decides.
    pub fn new(routes: Vec<Route>, providers: HashMap<ProviderName, Capabilities>) -> Self {
        Self { routes, providers }
    }

    /// Returns the providers of the first route that matches, without those that cannot make the payment.
    ///
    /// # Errors
    /// [`NoRoute`] if no route matches, or none of its providers can make the payment.
    pub fn of(&self, details: &PaymentDetails) -> Result<Vec<&ProviderName>, NoRoute> {
        let (currency, kind) = (details.money.currency(), details.recipient.kind());
        let Some(route) = self.routes.iter().find(|route| route.matches(details)) else {
            return Err(NoRoute {
                missing: format!(
                    "no route is configured for {} {} to a recipient of type {}",
                    details.money.amount(),
                    currency.code(),
                    kind.as_str()
                ),
            });
        };
        let mut obstacles = Vec::new();
        let mut able = Vec::new();
        for name in &route.providers {
            match self.obstacle(name, details) {
                None => able.push(name),
                Some(obstacle) => obstacles.push(format!("{name}: {obstacle}")),
            }
        }
        if able.is_empty() {
            return Err(NoRoute {
                missing: obstacles.join("; "),
            });
        }
        Ok(able)
    }

    fn obstacle(&self, name: &ProviderName, details: &PaymentDetails) -> Option<String> {
        let Some(capabilities) = self.providers.get(name) else {
            return Some("is not configured".to_owned());
        };
        if let Some((provider, _)) = details.recipient.provider_account()
            && provider != name.as_str()
            && provider != capabilities.kind
        {
            return Some("the recipient's account is at another provider".to_owned());
        }
        capabilities
            .refuses(details)
            .map(|what| format!("does not pay this {what}"))
    }

    /// Returns the provider after `tried` for a payment of which nothing was sent: the next of its route, or else the
    /// first.
    pub fn after(&self, details: &PaymentDetails, tried: &ProviderName) -> Result<&ProviderName, NoRoute> {
        let able = self.of(details)?;
        let place = able.iter().position(|name| *name == tried);
        let next = place.map_or(0, |place| (place + 1) % able.len());
        able.get(next).copied().ok_or(NoRoute {
            missing: String::new(),
        })
    }
}
