//! The policy of a route: who may call it, and what it reads. Its checks, its limits and the refusals that the document names
//! all follow from it.

use payout_core::access::Scope;
use salvo::http::StatusCode;

use super::extract::headers::HeaderRule;
use super::extract::json::BodyPolicy;
use super::extract::path::PathPolicy;
use super::extract::query::QueryPolicy;
use super::middleware::access::Access;
use super::problem::Kind;

/// Whose quota a request is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateClass {
    /// Nobody's: it is under load that operators look.
    Unmetered,
    /// That of the client's address.
    Address,
    /// That of the client's address, and that of its API key.
    AddressAndKey,
}

/// What a route asks of its callers, and what it reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoutePolicy {
    /// Who may call it.
    pub(crate) access: Access,
    /// Whose quota a request is counted in.
    pub(crate) rate: RateClass,
    /// The parameter of its path.
    pub(crate) path: Option<PathPolicy>,
    /// The parameters that its query may have; absent where any query is ignored.
    pub(crate) query: Option<QueryPolicy>,
    /// The headers that it reads.
    pub(crate) headers: &'static [&'static [HeaderRule]],
    /// Its body; that of a request to a route without one is ignored.
    pub(crate) body: Option<BodyPolicy>,
    /// The kinds of problems of its use case.
    pub(crate) refusals: &'static [Kind],
    /// An answer that goes on for as long as its client listens: no handler's time is up.
    pub(crate) streaming: bool,
}

impl RoutePolicy {
    /// A route of the API for callers with one of these scopes.
    pub(crate) const fn scoped(scopes: &'static [Scope]) -> Self {
        Self {
            access: Access::OneOf(scopes),
            rate: RateClass::AddressAndKey,
            path: None,
            query: Some(QueryPolicy::NONE),
            headers: &[],
            body: None,
            refusals: &[],
            streaming: false,
        }
    }

    /// A route that documents the service.
    pub(crate) const DOCUMENTATION: Self = Self {
        access: Access::Documentation,
        rate: RateClass::Address,
        refusals: &[Kind::UnknownPath],
        ..Self::scoped(&[])
    };

    /// A route of operators.
    pub(crate) const OPERATIONAL: Self = Self {
        access: Access::Anyone,
        rate: RateClass::Unmetered,
        query: None,
        ..Self::scoped(&[])
    };

    /// Every kind of problem that the route may answer with.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let mut kinds = vec![Kind::Internal];
        kinds.extend_from_slice(self.access.refusals());
        match self.rate {
            RateClass::Unmetered => (),
            RateClass::Address | RateClass::AddressAndKey => kinds.push(Kind::TooManyRequests),
        }
        kinds.extend(self.path.map(|_| Kind::NotFound));
        kinds.extend(self.query.map(|_| Kind::Invalid));
        for header in self.headers.iter().copied().flatten() {
            kinds.push(Kind::Invalid);
            kinds.extend_from_slice(header.refusals);
        }
        if self.body.is_some() {
            kinds.extend_from_slice(&[
                Kind::Invalid,
                Kind::MalformedBody,
                Kind::BodyTooSlow,
                Kind::BodyTooLarge,
                Kind::UnsupportedMediaType,
            ]);
        }
        kinds.extend_from_slice(self.refusals);
        kinds
    }

    /// The statuses of those problems, each once.
    pub(crate) fn statuses(&self) -> Vec<StatusCode> {
        let mut statuses: Vec<_> = self.kinds().into_iter().map(Kind::status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}
