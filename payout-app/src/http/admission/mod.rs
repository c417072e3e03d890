//! How much of the service one client may take, so that none stops the others.
//!
//! - `connections` bounds how many are open, and how long one may be silent: at the socket, before any request.
//! - `client` says whom a request comes from, and `rate` how often one may ask: by address before anything is read, and by
//!   API key once that is known.
//! - `places` bounds how many requests are worked on at the same time. A request takes its place when its body is there, so
//!   that slow senders hold none.
//!
//! [`Limits`] has all of it but the connections. Health and metrics are under none: it is under load that they are asked.

mod client;
mod connections;
mod forwarded;
mod origin;
mod places;
mod rate;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use payout_core::keys::ApiKeyId;
use payout_core::ports::Clock;
use salvo::Request;

use crate::settings::{LimitsConfig, Quota, RateLimit};

pub(crate) use self::client::Client;
use self::client::Network;
pub(crate) use self::connections::{Connections, Doorkeeper};
pub(crate) use self::places::Place;
use self::places::Places;
use self::rate::Rate;
pub(crate) use self::rate::{Allowance, Taken, TooMany, whole_seconds};

/// How many writes of one key may be refused for what it may not see: more than somebody mistypes.
const GUESSES: RateLimit = RateLimit {
    quota: Quota {
        requests: NonZeroU32::MIN.saturating_add(29),
        window: Duration::from_secs(60),
    },
    spares_this_host: false,
};

/// The limits of one process. Several processes have each their own.
pub(crate) struct Limits {
    pub(crate) config: LimitsConfig,
    per_address: Option<Rate<Network>>,
    per_key: Option<Rate<ApiKeyId>>,
    guesses: Rate<ApiKeyId>,
    places: Places,
}

impl Limits {
    pub(crate) fn new(config: LimitsConfig, clock: &Arc<dyn Clock>) -> Self {
        let clock = || clock.clone();
        Self {
            per_address: config
                .per_address
                .map(|limit| Rate::new("address", limit, clock())),
            per_key: config.per_key.map(|limit| Rate::new("key", limit, clock())),
            guesses: Rate::new("guesses", GUESSES, clock()),
            places: Places::new(config.in_flight),
            config,
        }
    }

    /// Whom the request comes from.
    pub(crate) fn client(&self, request: &Request) -> Client {
        let peer = request.remote_addr().ip();
        Client::of(peer, request.headers(), &self.config.trusted_proxies)
    }

    /// Whether the other end of the request's connection is a proxy that is trusted.
    pub(crate) fn is_of_trusted_proxy(&self, request: &Request) -> bool {
        let peer = request.remote_addr().ip().map(|peer| peer.to_canonical());
        let trusted = &self.config.trusted_proxies;
        peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer)))
    }

    /// Where the client of this request finds the service; absent where only relative links can lead back.
    pub(crate) fn base_address(&self, request: &Request) -> Option<String> {
        let peer = request.remote_addr().ip();
        origin::base(
            peer,
            request.headers(),
            request.uri().authority(),
            &self.config.trusted_proxies,
        )
    }

    /// Counts a request of this address.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn take_of_address(&self, client: Client) -> Result<Option<Allowance>, TooMany> {
        let Some(network) = client.network() else {
            return Ok(None);
        };
        take(self.per_address.as_ref(), &network, client)
    }

    /// Counts a request under this key.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn take_of_key(&self, key: ApiKeyId, client: Client) -> Result<Option<Allowance>, TooMany> {
        take(self.per_key.as_ref(), &key, client)
    }

    /// Counts what this key, which may not see whom payouts pay, could find out by.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn take_guess(&self, key: ApiKeyId) -> Result<(), TooMany> {
        self.guesses.take(&key).map(drop)
    }

    /// A place among the requests that are worked on, unless all are taken.
    pub(crate) fn take_place(&self) -> Option<Place> {
        self.places.take()
    }

    /// How many requests are worked on.
    pub(crate) fn in_flight(&self) -> usize {
        self.places.taken()
    }

    /// Forgets whoever has not asked for long, so that many addresses in turn fill no memory.
    pub(crate) fn forget_idle(&self) {
        if let Some(rate) = &self.per_address {
            rate.forget_idle();
        }
        if let Some(rate) = &self.per_key {
            rate.forget_idle();
        }
        self.guesses.forget_idle();
    }
}

fn take<K: rate::Key>(rate: Option<&Rate<K>>, key: &K, client: Client) -> Result<Option<Allowance>, TooMany> {
    match rate {
        Some(rate) if !(rate.spares_this_host() && client.is_this_host()) => rate.take(key).map(Some),
        Some(_) | None => Ok(None),
    }
}
