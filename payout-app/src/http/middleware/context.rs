//! The context of a request, which the outermost middleware puts into the depot.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use payout_core::access::Principal;
use payout_core::bulk::BulkAction;
use payout_core::payout::Caller;
use payout_core::ports::Randomness;
use payout_core::usecase::Payouts;
use payout_core::usecase::api_keys::ApiKeys;
use payout_core::usecase::batches::Batches;
use payout_core::usecase::bulk::BulkActions;
use payout_core::usecase::feed::Feed;
use payout_core::usecase::providers::{ListedProvider, ProviderWatch, Providers};
use payout_core::usecase::recipients::Recipients;
use payout_core::usecase::stats::PayoutStatistics;
use payout_core::usecase::webhooks::Webhooks;
use salvo::http::HeaderMap;
use salvo::{Depot, Request};

use crate::health::ProviderState;
use crate::http::SharedState;
use crate::http::admission::{Client, Taken};
use crate::http::problem::{Kind, Problem};

/// The header that carries a request's id, in and out.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The id of a request in logs, problems and the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// Takes a valid id from the client: 1–128 visible ASCII characters. A bulk action's id is not a client's to give:
    /// the audit trail leads to the action.
    fn of_client(headers: &HeaderMap) -> Option<Self> {
        let id = headers.get(REQUEST_ID)?.to_str().ok()?;
        let sane = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        let is_of_bulk = BulkAction::of_request_id(id).is_some();
        (sane && !is_of_bulk).then(|| Self(id.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

/// Returns whether an id has the form of those that [`RequestIds`] makes: the name of a process and a number.
///
/// Any other id is a client's header and may contain anything, even an account. It is used only in logs, the answer and
/// the audit trail.
pub(crate) fn is_of_our_making(id: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    id.split_once('-').is_some_and(|(process, number)| {
        process.len() == 16 && (1..=16).contains(&number.len()) && is_hex(process) && is_hex(number)
    })
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Generates ids: a random name of this process, and a number. This is cheaper than random numbers for each request,
/// and as unique.
pub(crate) struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(randomness: &dyn Randomness) -> Self {
        Self {
            process: randomness.next_u64(),
            next: AtomicU64::new(1),
        }
    }

    /// Returns the client's id, or a new one.
    pub(crate) fn of(&self, request: &Request) -> RequestId {
        RequestId::of_client(request.headers()).unwrap_or_else(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            RequestId(format!("{:016x}-{number:x}", self.process).into())
        })
    }
}

/// The context of a handler: the state of the service, the id of the request, and its caller.
pub(crate) struct Context {
    pub(crate) app_state: SharedState,
    pub(crate) request_id: RequestId,
    /// The authenticated caller; one without scopes on routes that require none.
    pub(crate) principal: Arc<Principal>,
    /// The client, by address.
    pub(crate) client: Client,
    /// The quotas in which the request was counted.
    pub(crate) taken: Taken,
}

impl Context {
    /// Returns the context of this request.
    ///
    /// # Errors
    /// 500 when the outermost middleware has not set it.
    pub(crate) fn of(depot: &Depot) -> Result<&Self, Problem> {
        depot
            .get_typed::<Self>()
            .map_err(|_| Problem::internal("no outermost hoop".into()))
    }

    /// Returns the context of this request, to add to it.
    ///
    /// # Errors
    /// 500 when the outermost middleware has not set it.
    pub(crate) fn of_mut(depot: &mut Depot) -> Result<&mut Self, Problem> {
        depot
            .get_typed_mut::<Self>()
            .map_err(|_| Problem::internal("no outermost hoop".into()))
    }

    /// Returns the use cases of payouts, once the database has the current schema.
    pub(crate) fn payouts(&self) -> Result<&Payouts, Problem> {
        if self.app_state.health.is_open() {
            Ok(&self.app_state.payouts)
        } else {
            Err(Problem::not_ready())
        }
    }

    /// Returns the use cases of batches, once the database has the current schema.
    pub(crate) fn batches(&self) -> Result<&Batches, Problem> {
        let batches = self.app_state.batches.as_ref();
        let batches = batches.filter(|_| self.app_state.health.is_open());
        batches.ok_or_else(Problem::not_ready)
    }

    /// Returns the use cases of bulk actions, once the database has the current schema.
    pub(crate) fn bulk(&self) -> Result<&BulkActions, Problem> {
        if self.app_state.health.is_open() {
            Ok(&self.app_state.bulk)
        } else {
            Err(Problem::not_ready())
        }
    }

    /// Returns the use cases of API keys, once the database has the current schema.
    pub(crate) fn keys(&self) -> Result<&ApiKeys, Problem> {
        if self.app_state.health.is_open() {
            Ok(&self.app_state.keys)
        } else {
            Err(Problem::not_ready())
        }
    }

    /// Returns the use cases of providers, once the database has the current schema.
    pub(crate) fn providers(&self) -> Result<&Providers, Problem> {
        if self.app_state.health.is_open() {
            Ok(&self.app_state.providers)
        } else {
            Err(Problem::not_ready())
        }
    }

    /// Returns the use case that shows what happens at each provider, once the database has the current schema.
    pub(crate) fn provider_watch(&self) -> Result<&ProviderWatch, Problem> {
        self.providers()?;
        Ok(&self.app_state.provider_watch)
    }

    /// Returns the state of a provider: as this process's worker sees it, or away if no worker has had an answer lately.
    pub(crate) fn provider_state(&self, provider: &ListedProvider, is_failing: bool) -> ProviderState {
        if provider.paused.is_some() {
            return ProviderState::Paused;
        }
        match self.app_state.health.provider_state(&provider.name) {
            ProviderState::Ok if is_failing => ProviderState::Away,
            state @ (ProviderState::Ok
            | ProviderState::Slowed
            | ProviderState::Away
            | ProviderState::Paused) => state,
        }
    }

    /// Returns the use cases of stored recipients, once the database has the current schema.
    pub(crate) fn recipients(&self) -> Result<&Recipients, Problem> {
        if self.app_state.health.is_open() {
            Ok(&self.app_state.recipients)
        } else {
            Err(Problem::not_ready())
        }
    }

    /// Returns the use case of statistics, once the database has the current schema.
    pub(crate) fn stats(&self) -> Result<&PayoutStatistics, Problem> {
        if self.app_state.health.is_open() {
            Ok(&self.app_state.stats)
        } else {
            Err(Problem::not_ready())
        }
    }

    /// Returns the event feed, once the database has the current schema.
    ///
    /// # Errors
    /// 404 in a service whose repository has no feed.
    pub(crate) fn feed(&self) -> Result<&Feed, Problem> {
        if !self.app_state.health.is_open() {
            return Err(Problem::not_ready());
        }
        let feed = self.app_state.feed.as_ref();
        feed.ok_or_else(|| {
            Problem::new(
                Kind::UnknownPath,
                "The repository of this service has no event feed.",
            )
        })
    }

    /// Returns the use cases of webhooks, once the database has the current schema.
    pub(crate) fn webhooks(&self) -> Result<&Webhooks, Problem> {
        if !self.app_state.health.is_open() {
            return Err(Problem::not_ready());
        }
        let webhooks = self.app_state.webhooks.as_ref();
        webhooks.ok_or_else(|| {
            Problem::new(
                Kind::Unavailable,
                "Webhooks need a database of the service's own; this one belongs to the program around it.",
            )
        })
    }

    /// Returns the caller for the audit trail.
    pub(crate) fn caller(&self, reason: Option<&str>) -> Caller {
        let caller = self.principal.caller().in_request(self.request_id.as_str());
        match reason {
            Some(reason) => caller.because(reason),
            None => caller,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(value: &[u8]) -> Option<RequestId> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, salvo::http::HeaderValue::from_bytes(value).unwrap());
        RequestId::of_client(&headers)
    }

    #[test]
    fn a_sane_id_of_the_client_is_kept() {
        assert_eq!(with_header(b"abc-123").unwrap().as_str(), "abc-123");
        assert_eq!(with_header(&[b'x'; 128]).unwrap().as_str().len(), 128);
    }

    #[test]
    fn an_odd_id_of_the_client_is_replaced() {
        for odd in [&b""[..], b"a b", b"\xff", &[b'x'; 129], b"tab\there"] {
            assert_eq!(with_header(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn made_ids_differ() {
        let ids = RequestIds::new(&payout_core::ports::System::default());
        let request = Request::new();
        assert_ne!(ids.of(&request), ids.of(&request));
    }

    #[test]
    fn a_made_id_is_told_from_what_a_client_may_send() {
        let ids = RequestIds::new(&payout_core::ports::System::default());
        for made in [
            ids.of(&Request::new()).as_str(),
            "0000000000000000-1",
            "85508fe8c221bdbc-ffffffffffffffff",
        ] {
            assert!(is_of_our_making(made), "{made}");
        }
        for theirs in [
            "",
            "-",
            "DE89370400440532013000",
            "4111111111111111",
            "85508fe8c221bdbc-",
            "85508fe8c221bdb-1",
            "85508FE8C221BDBC-1",
            "85508fe8c221bdbc-1-1",
            "85508fe8c221bdbc-00000000000000001",
            "85508fe8c221bdbc-ACC",
            "6c84fb90-12c4-11e1-840d-7b25c5ee775a",
        ] {
            assert!(!is_of_our_making(theirs), "{theirs}");
        }
    }
}
