-- Endpoints of webhooks, their deliveries, and the attempts to send them.

CREATE TABLE webhook_endpoints (
    id                BLOB    NOT NULL PRIMARY KEY,
    url               TEXT    NOT NULL,
    -- The names of event types, comma-separated; empty for every type.
    types             TEXT    NOT NULL,
    description       TEXT    NOT NULL,
    include_recipient INTEGER NOT NULL,
    -- The secrets as a JSON object, in plain or sealed.
    secrets           TEXT,
    sealed            BLOB,
    state             TEXT    NOT NULL,
    disabled_why      TEXT,
    disabled_at       INTEGER,
    created_at        INTEGER NOT NULL,
    revision          INTEGER NOT NULL DEFAULT 1,
    -- A deleted endpoint stays, without its address and its secrets, until its deliveries are removed.
    deleted           INTEGER NOT NULL DEFAULT 0,
    -- The progress in the event feed, which only the holder of the lease moves.
    position          TEXT    NOT NULL,
    replay_after      TEXT,
    replay_until      TEXT,
    failing_since     INTEGER,
    last_number       INTEGER NOT NULL DEFAULT 0,
    queue_revision    INTEGER NOT NULL DEFAULT 0,
    fence             INTEGER NOT NULL DEFAULT 0,
    held_by           TEXT,
    leased_until      INTEGER,
    CONSTRAINT webhook_endpoints_state_is_known CHECK (
        state IN ('enabled', 'disabled')
        AND (state = 'disabled') = (disabled_why IS NOT NULL)
        AND (disabled_why IS NULL) = (disabled_at IS NULL)),
    CONSTRAINT webhook_endpoints_secrets_are_there CHECK (
        deleted AND secrets IS NULL AND sealed IS NULL
        OR NOT deleted AND (secrets IS NULL) <> (sealed IS NULL)),
    CONSTRAINT webhook_endpoints_replay_is_whole CHECK ((replay_after IS NULL) = (replay_until IS NULL))
) STRICT;

CREATE TABLE webhook_deliveries (
    endpoint_id BLOB    NOT NULL,
    number      INTEGER NOT NULL,
    message_id  TEXT    NOT NULL,
    event_type  TEXT    NOT NULL,
    payout_id   BLOB,
    body        TEXT    NOT NULL,
    status      TEXT    NOT NULL DEFAULT 'pending',
    attempts    INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    due_at      INTEGER,
    finished_at INTEGER,
    -- The time at which a finished delivery is removed.
    remove_at   INTEGER,
    PRIMARY KEY (endpoint_id, number),
    CONSTRAINT webhook_deliveries_status_is_known CHECK (
        status IN ('pending', 'delivered', 'failed')
        AND (status = 'pending') = (due_at IS NOT NULL)
        AND (status = 'pending') = (finished_at IS NULL)
        AND (finished_at IS NULL) = (remove_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (endpoint_id, number) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (endpoint_id, number) WHERE status = 'failed';
CREATE INDEX webhook_deliveries_removal ON webhook_deliveries (remove_at) WHERE remove_at IS NOT NULL;

CREATE TABLE webhook_attempts (
    endpoint_id BLOB    NOT NULL,
    number      INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    took_us     INTEGER NOT NULL,
    status      INTEGER,
    error       TEXT,
    answer      TEXT    NOT NULL,
    PRIMARY KEY (endpoint_id, number, attempt)
) STRICT, WITHOUT ROWID;
