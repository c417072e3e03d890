//! A process that can be killed, or frozen and woken.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep_until;

#[derive(Clone, Copy)]
enum State {
    Running,
    FrozenUntil(tokio::time::Instant),
    Dead,
}

/// What the ports of everything in one process go through.
#[derive(Clone)]
pub(crate) struct Process(Arc<Mutex<State>>);

impl Process {
    pub(crate) fn start() -> Self {
        Self(Arc::new(Mutex::new(State::Running)))
    }

    /// Nothing in it goes on, ever.
    pub(crate) fn kill(&self) {
        *self.0.lock().unwrap() = State::Dead;
    }

    /// Nothing in it goes on for a while. Time does.
    #[expect(
        clippy::disallowed_methods,
        reason = "tokio's paused clock is the simulation's clock"
    )]
    pub(crate) fn freeze(&self, duration: Duration) {
        let mut state = self.0.lock().unwrap();
        if matches!(*state, State::Running) {
            *state = State::FrozenUntil(tokio::time::Instant::now() + duration);
        }
    }

    /// Goes on when the process does; true when it had been frozen.
    #[expect(
        clippy::disallowed_methods,
        reason = "tokio's paused clock is the simulation's clock"
    )]
    pub(crate) async fn pass(&self) -> bool {
        let mut waited = false;
        loop {
            let state = *self.0.lock().unwrap();
            match state {
                State::Running => return waited,
                State::FrozenUntil(until) if until <= tokio::time::Instant::now() => {
                    *self.0.lock().unwrap() = State::Running;
                }
                State::FrozenUntil(until) => {
                    waited = true;
                    sleep_until(until).await;
                }
                State::Dead => std::future::pending().await,
            }
        }
    }
}
