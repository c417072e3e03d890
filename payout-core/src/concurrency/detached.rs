//! Runs a write in a task of its own.

use crate::request_context::RequestContext;

/// Runs a write in a task of its own, so that it completes even if the caller stops waiting.
pub(crate) async fn run_detached<T: Send + 'static>(write: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(RequestContext::current().around(write)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, so this future is about to be dropped as well.
            Err(_) => std::future::pending().await,
        },
    }
}
