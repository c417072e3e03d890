-- Whose records of idempotency an API key shares, and what the provider's idempotency keys of a payout begin with.
--
-- The file is locked for as long as it takes to look through the payouts once, for the new constraint.

-- The first of the keys that this one succeeds, in whose scope it is; absent for its own.
ALTER TABLE api_keys ADD COLUMN idempotency_scope BLOB
    CONSTRAINT api_keys_idempotency_scope_is_a_uuid CHECK (length(idempotency_scope) = 16);

DROP TRIGGER api_keys_updated;
CREATE TRIGGER api_keys_updated
AFTER UPDATE OF id, name, scopes, digest, secret_id, previous_digest, previous_until, created_at, expires_at, rotated_at,
    revoked_at, idempotency_scope ON api_keys
BEGIN
    UPDATE api_key_ring SET revision = revision + 1;
END;

-- Derived from the client's request where that had an idempotency key; absent, its id is. Rows of before keep theirs.
ALTER TABLE payouts ADD COLUMN provider_key BLOB
    CONSTRAINT payouts_provider_key_is_a_uuid CHECK (length(provider_key) = 16);

-- Set by every claim. A program from before this column would send another key, so it cannot claim what has one.
ALTER TABLE payouts ADD COLUMN keyed_claim INTEGER
    CONSTRAINT payouts_provider_key_is_known CHECK (
        provider_key IS NULL OR status <> 'processing' OR keyed_claim IS 1);

-- The provider keys of requests whose records were forgotten, however that came about: the same request is another payment
-- from then on.
CREATE TABLE spent_provider_keys (
    provider_key BLOB NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TRIGGER idempotency_keys_forgotten AFTER DELETE ON idempotency_keys
BEGIN
    INSERT INTO spent_provider_keys (provider_key)
    SELECT provider_key FROM payouts WHERE id = OLD.payout_id AND provider_key IS NOT NULL
    ON CONFLICT (provider_key) DO NOTHING;
END;
