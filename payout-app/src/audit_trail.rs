//! Checks that the database still keeps the audit trail append-only.

use crate::wiring::Store;

/// Logs at startup which of the trail's safeguards are missing. The service goes on, because payouts do not depend on
/// them. If the store does not answer, the health checks report that.
pub(crate) async fn warn_of_flaws(store: &Store) {
    if let Ok(flaws) = store.audit_trail_flaws().await
        && !flaws.is_empty()
    {
        tracing::error!(
            flaws = flaws.join("; "),
            "the audit trail is not protected: anyone who reaches the database may change or remove events unnoticed"
        );
    }
}
