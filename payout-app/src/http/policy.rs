//! Route policies: the access that a route requires, and the input that it reads. Its checks, its limits and the
//! problems in the document all follow from its policy.

use payout_core::access::Scope;
use salvo::http::StatusCode;

use super::extract::headers::{HeaderRule, Recognized};
use super::extract::json::BodyPolicy;
use super::extract::path::PathPolicy;
use super::extract::query::QueryPolicy;
use super::middleware::access::Access;
use super::problem::Kind;

/// The quotas in which a request is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateClass {
    /// None, since operators need these routes most under load.
    Unmetered,
    /// The quota of the client's address.
    Address,
    /// The quotas of the client's address and of its API key.
    AddressAndKey,
}

/// The requirements and the input of a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoutePolicy {
    /// The required access.
    pub(crate) access: Access,
    /// The quotas in which a request is counted.
    pub(crate) rate: RateClass,
    /// The parameter of its path.
    pub(crate) path: Option<PathPolicy>,
    /// The parameters that its query may have; absent if any query is ignored.
    pub(crate) query: Option<QueryPolicy>,
    /// The headers that it reads.
    pub(crate) headers: &'static [&'static [HeaderRule]],
    /// The means by which repeated requests are recognized if it keeps no `Idempotency-Key`.
    pub(crate) recognized: Recognized,
    /// Its body; if absent, the body of a request is ignored.
    pub(crate) body: Option<BodyPolicy>,
    /// The kinds of problems of its use case.
    pub(crate) refusals: &'static [Kind],
    /// True if its method is unsafe (RFC 9110 §9.2.1), so that requests may change something. Its registration sets it.
    pub(crate) is_unsafe: bool,
    /// True if an answer may take for as long as its client listens: the handler has no timeout, and takes no place among
    /// the requests in flight. It must limit its clients itself.
    pub(crate) streaming: bool,
}

impl RoutePolicy {
    /// Builds the policy of an API route for callers with one of these scopes.
    pub(crate) const fn scoped(scopes: &'static [Scope]) -> Self {
        Self {
            access: Access::OneOf(scopes),
            rate: RateClass::AddressAndKey,
            path: None,
            query: Some(QueryPolicy::NONE),
            headers: &[],
            recognized: Recognized::Never,
            body: None,
            refusals: &[],
            is_unsafe: false,
            streaming: false,
        }
    }

    /// The policy of a route with documentation.
    pub(crate) const DOCUMENTATION: Self = Self {
        access: Access::Documentation,
        rate: RateClass::Address,
        refusals: &[Kind::UnknownPath],
        ..Self::scoped(&[])
    };

    /// The policy of a route for operators.
    pub(crate) const OPERATIONAL: Self = Self {
        access: Access::Anyone,
        rate: RateClass::Unmetered,
        query: None,
        ..Self::scoped(&[])
    };

    /// Returns whether requests of clients change something that has no versions, so that their conditions cannot hold.
    pub(crate) fn changes_unversioned(&self) -> bool {
        self.is_change_of_a_client() && !self.reads_header_with(Kind::PreconditionFailed)
    }

    /// Returns whether requests of clients change something and no `Idempotency-Key` is kept, so that one is refused.
    pub(crate) fn keeps_no_key(&self) -> bool {
        self.is_change_of_a_client() && !self.reads_header_with(Kind::KeyReused)
    }

    fn is_change_of_a_client(&self) -> bool {
        self.is_unsafe && matches!(self.access, Access::OneOf(_))
    }

    /// Returns whether the route reads a header that may lead to this kind of problem.
    fn reads_header_with(&self, kind: Kind) -> bool {
        let mut headers = self.headers.iter().copied().flatten();
        headers.any(|header| header.refusals.contains(&kind))
    }

    /// Returns every kind of problem that the route may answer with.
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
        if self.changes_unversioned() {
            kinds.extend([Kind::Invalid, Kind::PreconditionFailed]);
        }
        if self.keeps_no_key() {
            kinds.push(Kind::Invalid);
        }
        if let Some(body) = self.body {
            kinds.extend_from_slice(body.refusals);
        }
        kinds.extend_from_slice(self.refusals);
        kinds
    }

    /// Returns the statuses of those problems, each once.
    pub(crate) fn statuses(&self) -> Vec<StatusCode> {
        let mut statuses: Vec<_> = self.kinds().into_iter().map(Kind::status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}
