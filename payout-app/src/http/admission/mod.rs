//! Admission control: limits on each client's share of the service, so that no client blocks the others.
//!
//! - `connections` limits open connections and their silence: at the socket, before any request.
//! - `client` identifies the client of a request. `rate` limits its requests: by address before anything is read, and
//!   by API key once the key is known. `guesses` limits what a key may learn about recipients that it may not see.
//! - `places` limits the number of requests in flight. A request takes its place when its body has arrived, so that
//!   slow senders occupy none.
//!
//! [`Limits`] holds all of them except the connections. Health checks and metrics are not limited, because operators
//! need them most under load.

mod client;
mod connections;
mod forwarded;
mod guesses;
mod origin;
mod places;
mod rate;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use payout_core::access::ApiKeyId;
use payout_core::ports::Clock;
use salvo::Request;

use crate::settings::{LimitsConfig, Quota, RateLimit};

pub(crate) use self::client::Client;
use self::client::Network;
pub(crate) use self::connections::{Connections, Doorkeeper};
use self::guesses::Guesses;
pub(crate) use self::places::Place;
use self::places::Places;
use self::rate::Rate;
pub(crate) use self::rate::{Allowance, Taken, TooMany, whole_seconds};

/// The rate limit of one address for notifications of providers: a burst of what a large batch causes.
const NOTIFICATIONS: RateLimit = RateLimit {
    quota: Quota {
        requests: NonZeroU32::MIN.saturating_add(199),
        window: Duration::from_secs(2),
    },
    spares_this_host: false,
};

/// The rate limit of one address for sign-ins to the console: more than typing errors need. A key has 256 random bits,
/// so guesses fail at any rate; this keeps them out of the log.
const SIGN_INS: RateLimit = RateLimit {
    quota: Quota {
        requests: NonZeroU32::MIN.saturating_add(9),
        window: Duration::from_secs(60),
    },
    spares_this_host: false,
};

/// The limits of one process. Each process has limits of its own.
pub(crate) struct Limits {
    pub(crate) config: LimitsConfig,
    per_address: Option<Rate<Network>>,
    per_key: Option<Rate<ApiKeyId>>,
    guesses: Guesses,
    notifications: Rate<Network>,
    sign_ins: Rate<Network>,
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
            guesses: Guesses::new(clock()),
            notifications: Rate::new("address", NOTIFICATIONS, clock()),
            sign_ins: Rate::new("sign-ins", SIGN_INS, clock()),
            places: Places::new(config.in_flight),
            config,
        }
    }

    /// Returns the client of a request.
    pub(crate) fn client(&self, request: &Request) -> Client {
        let peer = request.remote_addr().ip();
        Client::of(peer, request.headers(), &self.config.trusted_proxies)
    }

    /// Returns whether the peer of the request's connection is a trusted proxy.
    pub(crate) fn is_of_trusted_proxy(&self, request: &Request) -> bool {
        let peer = request.remote_addr().ip().map(|peer| peer.to_canonical());
        let trusted = &self.config.trusted_proxies;
        peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer)))
    }

    /// Returns the base address under which the client of this request reaches the service; `None` if only relative
    /// links are safe.
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
    /// [`TooMany`] when the quota of the address is used up.
    pub(crate) fn take_of_address(&self, client: Client) -> Result<Option<Allowance>, TooMany> {
        let Some(network) = client.network() else {
            return Ok(None);
        };
        take(self.per_address.as_ref(), &network, client)
    }

    /// Counts a request under this key.
    ///
    /// # Errors
    /// [`TooMany`] when the quota of the key is used up.
    pub(crate) fn take_of_key(&self, key: ApiKeyId, client: Client) -> Result<Option<Allowance>, TooMany> {
        take(self.per_key.as_ref(), &key, client)
    }

    /// Counts a write by which this key, which may not see recipients, could learn about one.
    ///
    /// # Errors
    /// [`TooMany`] when the quota of such writes is used up.
    pub(crate) fn take_guess(&self, key: ApiKeyId) -> Result<(), TooMany> {
        self.guesses.take(key)
    }

    /// Admits an answer by which this key, which may not see recipients, learns that it guessed right.
    ///
    /// # Errors
    /// [`TooMany`] when the quota of guesses is used up.
    pub(crate) fn tell_guess(&self, key: ApiKeyId) -> Result<(), TooMany> {
        self.guesses.tell(key)
    }

    /// Counts a notification from this address, before its signature is checked.
    ///
    /// # Errors
    /// [`TooMany`] when the quota of the address is used up.
    pub(crate) fn take_notification(&self, client: Client) -> Result<(), TooMany> {
        let Some(network) = client.network() else {
            return Ok(());
        };
        take(Some(&self.notifications), &network, client).map(drop)
    }

    /// Counts a sign-in from this address, before its key is checked.
    ///
    /// # Errors
    /// [`TooMany`] when the quota of the address is used up.
    pub(crate) fn take_sign_in(&self, client: Client) -> Result<(), TooMany> {
        let Some(network) = client.network() else {
            return Ok(());
        };
        take(Some(&self.sign_ins), &network, client).map(drop)
    }

    /// Takes a place among the requests in flight, unless all are taken.
    pub(crate) fn take_place(&self) -> Option<Place> {
        self.places.take()
    }

    /// Returns the number of requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.places.taken()
    }

    /// Drops the state of clients with a full quota, so that requests from many addresses do not fill the memory.
    pub(crate) fn forget_idle(&self) {
        if let Some(rate) = &self.per_address {
            rate.forget_idle();
        }
        if let Some(rate) = &self.per_key {
            rate.forget_idle();
        }
        self.guesses.forget_idle();
        self.notifications.forget_idle();
        self.sign_ins.forget_idle();
    }
}

fn take<K: rate::Key>(rate: Option<&Rate<K>>, key: &K, client: Client) -> Result<Option<Allowance>, TooMany> {
    match rate {
        Some(rate) if !(rate.spares_this_host() && client.is_this_host()) => rate.take(key).map(Some),
        Some(_) | None => Ok(None),
    }
}
