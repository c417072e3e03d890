//! What is being done right now: so that log lines can say for whom, and calls can carry the trace on.
//!
//! It belongs to a task, as a thread-local belongs to a thread; a task that is spawned takes it over by hand.

use std::sync::Arc;

use crate::payout::PayoutId;
use crate::ports::{Span, TraceContext};

tokio::task_local! {
    static CURRENT: Errand;
}

/// For whom something is done. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errand {
    /// The request's id.
    pub request_id: Option<Arc<str>>,
    /// The payout.
    pub payout_id: Option<PayoutId>,
    /// The place in the trace.
    pub trace: Option<TraceContext>,
}

impl Errand {
    /// That of the current task; empty where there is none.
    pub fn current() -> Self {
        Self::with_current(Clone::clone).unwrap_or_default()
    }

    /// Reads that of the current task, if there is one.
    pub fn with_current<T>(read: impl FnOnce(&Self) -> T) -> Option<T> {
        CURRENT.try_with(read).ok()
    }

    /// The same, within a span.
    #[must_use]
    pub fn within(self, span: Option<&dyn Span>) -> Self {
        Self {
            trace: span.map(Span::context).or(self.trace),
            ..self
        }
    }

    /// Does some work on this errand.
    pub async fn around<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Does some work on this errand, without waiting.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_holds_for_the_task_and_not_beyond() {
        assert_eq!(Errand::current(), Errand::default());
        let errand = Errand {
            request_id: Some("r".into()),
            ..Errand::default()
        };
        errand
            .clone()
            .around(async {
                tokio::task::yield_now().await;
                assert_eq!(Errand::current(), errand);
                let spawned = tokio::spawn(async { Errand::current() });
                assert_eq!(spawned.await.unwrap(), Errand::default());
            })
            .await;
        assert_eq!(Errand::current(), Errand::default());
    }
}
