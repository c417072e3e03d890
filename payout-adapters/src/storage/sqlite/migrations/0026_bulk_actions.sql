-- Bulk actions: a step with every payout that a filter matches, which workers take in pages. Actions and their outcomes
-- stay, as the record of what was done.

CREATE TABLE bulk_actions (
    id           BLOB    NOT NULL PRIMARY KEY,
    step         TEXT    NOT NULL CHECK (step IN ('approve', 'reject', 'cancel', 'retry')),
    -- The query of the list, parsed again whenever the action goes on.
    filter       TEXT    NOT NULL,
    -- The name of the API key that started it, and its id. Absent in a service without API keys.
    started_by   TEXT    NOT NULL,
    api_key      BLOB,
    reason       TEXT,
    -- The time of the count that was confirmed. Later payouts are no part of the action.
    counted_at   INTEGER NOT NULL,
    matched      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'stopped', 'finished')),
    stopped_why  TEXT,
    ended_at     INTEGER,
    -- The last payout that was planned.
    place_at     INTEGER,
    place_id     BLOB,
    planned      INTEGER NOT NULL DEFAULT 0,
    changed      INTEGER NOT NULL DEFAULT 0,
    refused      INTEGER NOT NULL DEFAULT 0,
    -- The lease. Every takeover increases the fence.
    fence        INTEGER NOT NULL DEFAULT 0,
    held_by      TEXT,
    leased_until INTEGER,
    leased_at    INTEGER,

    CHECK ((state = 'stopped') = (stopped_why IS NOT NULL)),
    CHECK ((state = 'running') = (ended_at IS NULL)),
    CHECK ((place_at IS NULL) = (place_id IS NULL)),
    CHECK (changed >= 0 AND refused >= 0 AND planned >= changed + refused),
    CHECK (state <> 'finished' OR planned = changed + refused)
) STRICT, WITHOUT ROWID;

-- Those that a worker must still look at.
CREATE INDEX bulk_actions_open ON bulk_actions (leased_at) WHERE state = 'running' OR planned > changed + refused;

CREATE TABLE bulk_outcomes (
    action_id  BLOB    NOT NULL,
    -- The number of the payout within its action, from 1.
    number     INTEGER NOT NULL,
    payout_id  BLOB    NOT NULL,
    -- The version at which it may be changed.
    version    INTEGER NOT NULL,
    result     TEXT    NOT NULL DEFAULT 'planned' CHECK (result IN ('planned', 'changed', 'refused')),
    refused    TEXT,

    PRIMARY KEY (action_id, number),
    CHECK ((result = 'refused') = (refused IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX bulk_outcomes_planned ON bulk_outcomes (action_id, number) WHERE result = 'planned';
CREATE INDEX bulk_outcomes_refused ON bulk_outcomes (action_id, number) WHERE result = 'refused';
