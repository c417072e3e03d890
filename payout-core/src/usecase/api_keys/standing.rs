//! The rights of a key at present, for work that goes on after its request.

use crate::access::{ApiKeyId, Principal};
use crate::usecase::api_keys::{ApiKeys, KeysError};

impl ApiKeys {
    /// Returns the principal of a key with its present scopes; `None` once the key is revoked or has expired. Without a
    /// key, returns the principal of a service without API keys; `None` once it has keys.
    ///
    /// # Errors
    /// [`KeysError::Store`].
    pub async fn principal_of(&self, key: Option<ApiKeyId>) -> Result<Option<Principal>, KeysError> {
        let Some(id) = key else {
            let any = self.repository.key_set_version().await?.any;
            return Ok((!any).then(Principal::open));
        };
        let live = self.repository.held().await?;
        let live = live.into_iter().find(|live| live.id == id);
        Ok(live.map(|live| {
            Principal::of_key(id, live.name.as_str(), live.scopes)
                .in_scope_of(live.idempotency_scope)
                .owned_by(live.owner)
        }))
    }
}
