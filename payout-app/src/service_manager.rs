//! Notifications to the service manager that started the process (systemd's `sd_notify`). Without one they do nothing.

use sd_notify::NotifyState;

use crate::failure::AppError;
use crate::running::Running;

/// Tells the service manager that the process is ready once it is. Returns the error that ends the process.
pub(crate) async fn watch(running: &mut Running) -> AppError {
    if let Err(error) = running.ready().await {
        return error;
    }
    tell(NotifyState::Ready);
    running.failed().await
}

/// Tells the service manager that the process is about to end.
pub(crate) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(
            error = %payout_core::Causes(&error),
            "the service manager cannot be told"
        );
    }
}
