//! Whether the database still keeps the audit trail append-only.

use crate::wiring::Store;

/// Says at the start what of that is gone. The service goes on: payouts are paid by other guards. A store that fails now is
/// told of by who watches it.
pub(crate) async fn warn_of_flaws(store: &Store) {
    if let Ok(flaws) = store.audit_trail_flaws().await
        && !flaws.is_empty()
    {
        tracing::error!(
            flaws = flaws.join("; "),
            "the audit trail is not protected: whoever reaches the database may change or remove events unnoticed"
        );
    }
}
