-- API keys, and idempotency keys that are their caller's own.

-- With the API key's id before it: a UUID, a space, and the client's key. What is there already
-- fits, and is not looked through under the lock.
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_key_fits;
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_key_fits
    CHECK (char_length(key) BETWEEN 1 AND 292) NOT VALID;

CREATE TABLE api_keys (
    id              uuid        NOT NULL,
    name            text COLLATE "C" NOT NULL,
    -- Their names, by spaces.
    scopes          text        NOT NULL,
    -- HMAC-SHA256 of the token.
    digest          bytea       NOT NULL,
    -- Names the secret that the digest is keyed with.
    secret_id       bytea       NOT NULL,
    -- The token before, and until when it still opens.
    previous_digest bytea,
    previous_until  timestamptz,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz,
    rotated_at      timestamptz,
    revoked_at      timestamptz,
    last_used_at    timestamptz,

    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_name_is_used_once UNIQUE (name),
    CONSTRAINT api_keys_name_fits CHECK (char_length(name) BETWEEN 1 AND 64),
    CONSTRAINT api_keys_digests_are_digests CHECK (
        octet_length(digest) = 32 AND octet_length(secret_id) = 8
        AND (previous_digest IS NULL OR octet_length(previous_digest) = 32)),
    CONSTRAINT api_keys_previous_ends CHECK ((previous_digest IS NULL) = (previous_until IS NULL))
);

CREATE INDEX api_keys_live ON api_keys (name) WHERE revoked_at IS NULL;

-- One row: what every process asks every second, and the secret that digests are keyed with where none is given.
CREATE TABLE api_key_ring (
    one      boolean NOT NULL DEFAULT true,
    revision bigint  NOT NULL,
    secret   bytea,

    CONSTRAINT api_key_ring_pkey PRIMARY KEY (one),
    CONSTRAINT api_key_ring_is_one CHECK (one),
    CONSTRAINT api_key_ring_secret_is_whole CHECK (octet_length(secret) = 32)
);

INSERT INTO api_key_ring (revision) VALUES (0);

-- However a key is changed, by hand too, every process hears of it. A use is no change.
CREATE FUNCTION api_keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_key_ring SET revision = revision + 1;
    RETURN NULL;
END
$$;

CREATE TRIGGER api_keys_changed
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, name, scopes, digest, secret_id, previous_digest, previous_until,
        created_at, expires_at, rotated_at, revoked_at
    ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION api_keys_changed();
