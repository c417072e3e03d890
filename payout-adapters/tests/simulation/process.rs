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

/// A simulated process. Every port call of its components passes through it.
#[derive(Clone)]
pub(crate) struct Process(Arc<Mutex<State>>);

impl Process {
    pub(crate) fn start() -> Self {
        Self(Arc::new(Mutex::new(State::Running)))
    }

    /// Stops the process for good.
    pub(crate) fn kill(&self) {
        *self.0.lock().unwrap() = State::Dead;
    }

    /// Stops the process for a while. Time goes on.
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

    /// Waits until the process runs; returns whether it had been frozen. In a dead process it never returns.
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
