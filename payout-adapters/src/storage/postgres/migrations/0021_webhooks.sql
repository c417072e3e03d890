-- Endpoints of webhooks, their deliveries, and the attempts to send them. New tables only: nothing waits.

CREATE TABLE webhook_endpoints (
    id                uuid        NOT NULL PRIMARY KEY,
    url               text        NOT NULL,
    -- The names of event types, comma-separated; empty for every type.
    types             text        NOT NULL,
    description       text        NOT NULL,
    include_recipient boolean     NOT NULL,
    -- The secrets as a JSON object, in plain or sealed.
    secrets           text,
    sealed            bytea,
    state             text        NOT NULL,
    disabled_why      text,
    disabled_at       timestamptz,
    created_at        timestamptz NOT NULL,
    revision          bigint      NOT NULL DEFAULT 1,
    -- A deleted endpoint stays, without its address and its secrets, until its deliveries are removed.
    deleted           boolean     NOT NULL DEFAULT false,
    -- The progress in the event feed, which only the holder of the lease moves.
    position          text        COLLATE "C" NOT NULL,
    replay_after      text        COLLATE "C",
    replay_until      text        COLLATE "C",
    failing_since     timestamptz,
    last_number       bigint      NOT NULL DEFAULT 0,
    queue_revision    bigint      NOT NULL DEFAULT 0,
    fence             bigint      NOT NULL DEFAULT 0,
    held_by           text,
    leased_until      timestamptz,
    CONSTRAINT webhook_endpoints_state_is_known CHECK (
        state IN ('enabled', 'disabled')
        AND (state = 'disabled') = (disabled_why IS NOT NULL)
        AND (disabled_why IS NULL) = (disabled_at IS NULL)),
    CONSTRAINT webhook_endpoints_secrets_are_there CHECK (
        deleted AND secrets IS NULL AND sealed IS NULL
        OR NOT deleted AND (secrets IS NULL) <> (sealed IS NULL)),
    CONSTRAINT webhook_endpoints_replay_is_whole CHECK ((replay_after IS NULL) = (replay_until IS NULL))
);

CREATE TABLE webhook_deliveries (
    endpoint_id uuid        NOT NULL,
    number      bigint      NOT NULL,
    message_id  text        NOT NULL,
    event_type  text        NOT NULL,
    payout_id   uuid,
    body        text        NOT NULL,
    status      text        NOT NULL DEFAULT 'pending',
    attempts    integer     NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    due_at      timestamptz,
    finished_at timestamptz,
    -- The time at which a finished delivery is removed.
    remove_at   timestamptz,
    PRIMARY KEY (endpoint_id, number),
    CONSTRAINT webhook_deliveries_status_is_known CHECK (
        status IN ('pending', 'delivered', 'failed')
        AND (status = 'pending') = (due_at IS NOT NULL)
        AND (status = 'pending') = (finished_at IS NULL)
        AND (finished_at IS NULL) = (remove_at IS NULL))
);
-- Many rows are written twice within a second: room for the second version on the same page.
ALTER TABLE webhook_deliveries SET (fillfactor = 70);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (endpoint_id, number) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (endpoint_id, number) WHERE status = 'failed';
CREATE INDEX webhook_deliveries_removal ON webhook_deliveries (remove_at) WHERE remove_at IS NOT NULL;

CREATE TABLE webhook_attempts (
    endpoint_id uuid        NOT NULL,
    number      bigint      NOT NULL,
    attempt     integer     NOT NULL,
    at          timestamptz NOT NULL,
    took_us     bigint      NOT NULL,
    status      integer,
    error       text,
    answer      text        NOT NULL,
    PRIMARY KEY (endpoint_id, number, attempt)
);
