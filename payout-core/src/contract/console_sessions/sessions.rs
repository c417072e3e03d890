//! Cases for the life of a session, from signing in to its end.

use std::time::Duration;

use crate::access::{NewSession, SESSION_LASTS, SessionToken};
use crate::contract::{Pair, build, drive};
use crate::payout::Actor;
use crate::ports::ConsoleSessionRepository;

type Sessions = Pair<dyn ConsoleSessionRepository>;

fn new_session(number: u8) -> NewSession {
    NewSession {
        digest: SessionToken::of(&[number; 32]).digest(),
        key: build::key_digest().token,
        by: Actor::new("ada"),
        lasts: SESSION_LASTS,
    }
}

/// Every process finds the session, with the key that opened it.
pub async fn a_session_is_found_with_its_key(Pair { port, peer }: Sessions) {
    let (one, other) = (new_session(1), new_session(2));
    port.begin_session(&one).await.unwrap();
    port.begin_session(&other).await.unwrap();
    assert_eq!(peer.session(&one.digest).await.unwrap(), Some(one.key));
    assert_eq!(port.session(&other.digest).await.unwrap(), Some(other.key));
}

/// A token that was never given out opens nothing.
pub async fn an_unknown_session_is_not_found(Pair { port, .. }: Sessions) {
    let one = new_session(1);
    assert_eq!(port.session(&one.digest).await.unwrap(), None);
    port.begin_session(&one).await.unwrap();
    assert_eq!(port.session(&new_session(2).digest).await.unwrap(), None);
    port.end_session(&new_session(2).digest).await.unwrap();
}

/// A session that was ended is found by no process any more; another of the same key is.
pub async fn an_ended_session_is_not_found(Pair { port, peer }: Sessions) {
    let (one, other) = (new_session(1), new_session(2));
    port.begin_session(&one).await.unwrap();
    port.begin_session(&other).await.unwrap();
    port.end_session(&one.digest).await.unwrap();
    assert_eq!(peer.session(&one.digest).await.unwrap(), None);
    assert_eq!(peer.session(&other.digest).await.unwrap(), Some(other.key));
    peer.end_session(&one.digest).await.unwrap();
}

/// A session ends at its time, whatever is done with it.
pub async fn a_session_ends_at_its_time(Pair { port, .. }: Sessions) {
    let short = NewSession {
        lasts: Duration::from_millis(300),
        ..new_session(1)
    };
    port.begin_session(&short).await.unwrap();
    assert_eq!(port.session(&short.digest).await.unwrap(), Some(short.key));
    drive::eventually("the session ends", async || {
        port.session(&short.digest).await.unwrap().is_none().then_some(())
    })
    .await;
}
