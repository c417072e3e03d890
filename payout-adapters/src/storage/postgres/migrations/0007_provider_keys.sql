-- Whose records of idempotency an API key shares, and what the provider's idempotency keys of a payout begin with.
--
-- Online: no table is looked through or written anew. Each ALTER TABLE waits for, and for a moment keeps out, all who use
-- its table; so does each CREATE TRIGGER for those who write.

-- The first of the keys that this one succeeds, in whose scope it is; absent for its own.
ALTER TABLE api_keys ADD COLUMN idempotency_scope uuid;

DROP TRIGGER api_keys_changed ON api_keys;
CREATE TRIGGER api_keys_changed
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, name, scopes, digest, secret_id, previous_digest, previous_until,
        created_at, expires_at, rotated_at, revoked_at, idempotency_scope
    ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION api_keys_changed();

-- Derived from the client's request where that had an idempotency key; absent, its id is. Rows of before keep theirs.
ALTER TABLE payouts ADD COLUMN provider_key uuid;

-- Set by every claim. A program from before this column would send another key, so it cannot claim what has one.
ALTER TABLE payouts ADD COLUMN keyed_claim boolean;
ALTER TABLE payouts ADD CONSTRAINT payouts_provider_key_is_known CHECK (
    provider_key IS NULL OR status <> 'processing' OR keyed_claim IS TRUE) NOT VALID;

-- The provider keys of requests whose records were forgotten, however that came about: the same request is another payment
-- from then on.
CREATE TABLE spent_provider_keys (
    provider_key uuid NOT NULL,

    CONSTRAINT spent_provider_keys_pkey PRIMARY KEY (provider_key)
);

CREATE FUNCTION idempotency_keys_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spent_provider_keys (provider_key)
    SELECT provider_key FROM payouts
    WHERE id = ANY (ARRAY(SELECT payout_id FROM forgotten)) AND provider_key IS NOT NULL
    ORDER BY provider_key
    ON CONFLICT (provider_key) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER idempotency_keys_forgotten AFTER DELETE ON idempotency_keys
    REFERENCING OLD TABLE AS forgotten
    FOR EACH STATEMENT EXECUTE FUNCTION idempotency_keys_forgotten();

CREATE FUNCTION idempotency_keys_all_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spent_provider_keys (provider_key)
    SELECT provider_key FROM payouts
    WHERE id IN (SELECT payout_id FROM idempotency_keys) AND provider_key IS NOT NULL
    ORDER BY provider_key
    ON CONFLICT (provider_key) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER idempotency_keys_all_forgotten BEFORE TRUNCATE ON idempotency_keys
    FOR EACH STATEMENT EXECUTE FUNCTION idempotency_keys_all_forgotten();
