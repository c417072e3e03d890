//! The context of the current work: log lines name its request and payout, and calls continue its trace.
//!
//! The context belongs to a task, as a thread-local belongs to a thread. A spawned task does not inherit it; the code
//! that spawns the task hands it over.

use std::sync::Arc;

use crate::payout::PayoutId;
use crate::ports::{Span, TraceContext};

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// The context of some work: the request, the payout and the trace that it belongs to. Fields that are not known are
/// absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The id of the request.
    pub request_id: Option<Arc<str>>,
    /// The id of the payout.
    pub payout_id: Option<PayoutId>,
    /// The context in the trace.
    pub trace: Option<TraceContext>,
}

impl RequestContext {
    /// Returns the context of the current task; empty if it has none.
    pub fn current() -> Self {
        Self::with_current(Clone::clone).unwrap_or_default()
    }

    /// Calls `read` with the context of the current task, if it has one.
    pub fn with_current<T>(read: impl FnOnce(&Self) -> T) -> Option<T> {
        CURRENT.try_with(read).ok()
    }

    /// Moves the context into a span, if there is one.
    #[must_use]
    pub fn within(self, span: Option<&dyn Span>) -> Self {
        Self {
            trace: span.map(Span::context).or(self.trace),
            ..self
        }
    }

    /// Runs a future within this context.
    pub async fn around<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Runs a closure within this context.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_holds_for_the_task_and_not_beyond() {
        assert_eq!(RequestContext::current(), RequestContext::default());
        let request_context = RequestContext {
            request_id: Some("r".into()),
            ..RequestContext::default()
        };
        request_context
            .clone()
            .around(async {
                tokio::task::yield_now().await;
                assert_eq!(RequestContext::current(), request_context);
                let spawned = tokio::spawn(async { RequestContext::current() });
                assert_eq!(spawned.await.unwrap(), RequestContext::default());
            })
            .await;
        assert_eq!(RequestContext::current(), RequestContext::default());
    }
}
