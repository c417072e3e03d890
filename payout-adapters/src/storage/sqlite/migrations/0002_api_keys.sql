-- API keys, and idempotency keys that are their caller's own.

-- With the API key's id before it: a UUID, a space, and the client's key. SQLite cannot change a constraint, so the table
-- is made anew.
CREATE TABLE scoped_idempotency_keys (
    key         TEXT    NOT NULL PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    payout_id   BLOB    NOT NULL,
    fingerprint BLOB    NOT NULL,
    -- JSON: the payout as the request was answered.
    snapshot    TEXT    NOT NULL,

    CONSTRAINT idempotency_keys_key_fits CHECK (length(key) BETWEEN 1 AND 292),
    CONSTRAINT idempotency_keys_fingerprint_is_a_digest CHECK (length(fingerprint) = 32)
) STRICT;

INSERT INTO scoped_idempotency_keys SELECT key, created_at, payout_id, fingerprint, snapshot FROM idempotency_keys;
DROP TABLE idempotency_keys;
ALTER TABLE scoped_idempotency_keys RENAME TO idempotency_keys;

-- To forget the oldest.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- INSERT OR REPLACE removes the row that stands in its way without a word to the triggers of removals.
CREATE TRIGGER payout_events_refuse_replace BEFORE INSERT ON payout_events
WHEN EXISTS (SELECT 1 FROM payout_events WHERE sequence = NEW.sequence)
BEGIN
    SELECT RAISE(ABORT, 'payout_events is append-only');
END;

CREATE TABLE api_keys (
    id              BLOB    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    -- Their names, by spaces.
    scopes          TEXT    NOT NULL,
    -- HMAC-SHA256 of the token.
    digest          BLOB    NOT NULL,
    -- Names the secret that the digest is keyed with.
    secret_id       BLOB    NOT NULL,
    -- The token before, and until when it still opens.
    previous_digest BLOB,
    previous_until  INTEGER,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    rotated_at      INTEGER,
    revoked_at      INTEGER,
    last_used_at    INTEGER,

    CONSTRAINT api_keys_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT api_keys_name_is_used_once UNIQUE (name),
    CONSTRAINT api_keys_name_fits CHECK (length(name) BETWEEN 1 AND 64),
    CONSTRAINT api_keys_digests_are_digests CHECK (
        length(digest) = 32 AND length(secret_id) = 8
        AND (previous_digest IS NULL OR length(previous_digest) = 32)),
    CONSTRAINT api_keys_previous_ends CHECK ((previous_digest IS NULL) = (previous_until IS NULL))
) STRICT;

CREATE INDEX api_keys_live ON api_keys (name) WHERE revoked_at IS NULL;

-- One row: what every process asks every second, and the secret that digests are keyed with where none is given.
CREATE TABLE api_key_ring (
    one      INTEGER NOT NULL PRIMARY KEY DEFAULT 1,
    revision INTEGER NOT NULL,
    secret   BLOB,

    CONSTRAINT api_key_ring_is_one CHECK (one = 1),
    CONSTRAINT api_key_ring_secret_is_whole CHECK (length(secret) = 32)
) STRICT;

INSERT INTO api_key_ring (revision) VALUES (0);

-- However a key is changed, by hand too, every process hears of it. A use is no change.
CREATE TRIGGER api_keys_inserted AFTER INSERT ON api_keys
BEGIN
    UPDATE api_key_ring SET revision = revision + 1;
END;

CREATE TRIGGER api_keys_deleted AFTER DELETE ON api_keys
BEGIN
    UPDATE api_key_ring SET revision = revision + 1;
END;

CREATE TRIGGER api_keys_updated
AFTER UPDATE OF id, name, scopes, digest, secret_id, previous_digest, previous_until, created_at, expires_at, rotated_at,
    revoked_at ON api_keys
BEGIN
    UPDATE api_key_ring SET revision = revision + 1;
END;
