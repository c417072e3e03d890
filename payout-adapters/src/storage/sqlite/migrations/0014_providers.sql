-- Payments that come back, providers by payout, and payouts that wait for a provider.
--
-- SQLite changes no constraint of a table, so the table of states is rebuilt: the file is locked for as long as the copy
-- takes.

DROP VIEW payouts;
DROP VIEW payout_trail;

CREATE TABLE new_payout_states (
    id                 BLOB    NOT NULL PRIMARY KEY,
    created_at         INTEGER NOT NULL,
    generation         INTEGER NOT NULL,
    fence              INTEGER NOT NULL,
    claims             INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    due_at             INTEGER,
    claimed_at         INTEGER,
    quiet_at           INTEGER,
    first_submitted_at INTEGER,
    deleted_at         INTEGER,
    revision           INTEGER NOT NULL DEFAULT 0,
    needs_review       INTEGER NOT NULL,
    status             TEXT    NOT NULL,
    -- The worker of the latest claim, until an event has it.
    claimed_by         TEXT,
    provider_reference TEXT,
    failure_code       TEXT,
    failure_message    TEXT,
    failure_reason     TEXT,
    -- The provider that makes the payment; empty where the program names none.
    provider           TEXT    NOT NULL DEFAULT '',
    waiting_for        TEXT,
    waiting_since      INTEGER,
    completed_at       INTEGER,
    returned_at        INTEGER,
    returned_amount    TEXT,
    -- The time at which a worker must check whether a completed payment came back.
    recheck_at         INTEGER,

    CONSTRAINT payout_states_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT payout_states_status_is_known CHECK (
        status IN ('pending', 'processing', 'completed', 'returned', 'failed', 'cancelled')),
    CONSTRAINT payout_states_counters_count_up CHECK (
        generation >= 0 AND claims >= 0 AND fence >= claims AND version >= 1 AND revision >= 0),
    CONSTRAINT payout_states_review_is_of_processing CHECK (
        needs_review IN (0, 1) AND (NOT needs_review OR status = 'processing')),
    CONSTRAINT payout_states_processing_is_claimed CHECK (
        status <> 'processing'
        OR (claims > 0 AND claimed_at IS NOT NULL AND quiet_at IS NOT NULL AND first_submitted_at IS NOT NULL)),
    CONSTRAINT payout_states_open_claim_is_of_processing CHECK (
        claimed_by IS NULL OR (status = 'processing' AND NOT needs_review)),
    CONSTRAINT payout_states_failure_is_of_failed CHECK (
        (status IN ('failed', 'returned')) = (failure_code IS NOT NULL)
        AND (failure_code IS NULL) = (failure_message IS NULL)
        AND (failure_reason IS NULL OR failure_code IS NOT NULL)),
    CONSTRAINT payout_states_return_is_of_returned CHECK (
        (status = 'returned') = (returned_at IS NOT NULL)
        AND (returned_amount IS NULL OR status = 'returned')),
    CONSTRAINT payout_states_recheck_is_of_completed CHECK (recheck_at IS NULL OR status = 'completed'),
    CONSTRAINT payout_states_wait_is_whole CHECK ((waiting_for IS NULL) = (waiting_since IS NULL)),
    CONSTRAINT payout_states_due_while_work_is_left CHECK (
        (due_at IS NOT NULL)
        = (deleted_at IS NULL AND (status = 'pending' OR (status = 'processing' AND NOT needs_review)))),
    CONSTRAINT payout_states_processing_is_not_deleted CHECK (deleted_at IS NULL OR status <> 'processing')
) STRICT, WITHOUT ROWID;

INSERT INTO new_payout_states (
    id, created_at, generation, fence, claims, version, updated_at, due_at, claimed_at, quiet_at, first_submitted_at,
    deleted_at, revision, needs_review, status, claimed_by, provider_reference, failure_code, failure_message
)
SELECT
    id, created_at, generation, fence, claims, version, updated_at, due_at, claimed_at, quiet_at, first_submitted_at,
    deleted_at, revision, needs_review, status, claimed_by, provider_reference, failure_code, failure_message
FROM payout_states
ORDER BY id;

DROP TABLE payout_states;
ALTER TABLE new_payout_states RENAME TO payout_states;

-- Whatever somebody must look at, for whatever reason: dispatch, schedule, backoff, lease, poll.
CREATE INDEX payout_states_due ON payout_states (due_at) WHERE due_at IS NOT NULL;
-- Where providers have names, a worker claims the payouts of one provider at a time.
CREATE INDEX payout_states_due_by_provider ON payout_states (provider, due_at)
    WHERE due_at IS NOT NULL AND provider <> '';
CREATE INDEX payout_states_recheck ON payout_states (provider, recheck_at) WHERE recheck_at IS NOT NULL;
CREATE INDEX payout_states_by_status ON payout_states (status, created_at, id) WHERE deleted_at IS NULL;
-- A provider's notification names a payment by its reference. Only payments that may still change are found.
CREATE INDEX payout_states_by_reference ON payout_states (provider_reference)
    WHERE provider_reference IS NOT NULL AND (recheck_at IS NOT NULL OR status = 'processing');

-- The details of a typed recipient, as a JSON object of texts; null for a plain account. Where the recipient is
-- encrypted, they are in `sealed`.
ALTER TABLE payout_details ADD COLUMN recipient_details TEXT
    CONSTRAINT payout_details_sealed_hides_details CHECK (sealed IS NULL OR recipient_details IS NULL);

-- Providers that an operator has paused.
CREATE TABLE paused_providers (
    name      TEXT    NOT NULL PRIMARY KEY,
    paused_at INTEGER NOT NULL,
    paused_by TEXT    NOT NULL,
    reason    TEXT
) STRICT;

-- Workers that share a provider's rate of calls. A row per worker; old ones are removed by the others.
CREATE TABLE live_workers (
    name    TEXT    NOT NULL PRIMARY KEY,
    seen_at INTEGER NOT NULL
) STRICT;

CREATE VIEW payouts AS
SELECT
    payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name,
    payout.recipient_name_folded, payout.recipient_details, payout.description, payout.provider_key, payout.sealed,
    payout.mac, payout.changed_version, payout.created_at, payout.deleted_at,
    state.status, state.needs_review, state.failure_code, state.failure_message, state.failure_reason,
    state.provider, state.provider_reference, state.waiting_for, state.waiting_since, state.completed_at,
    state.returned_at, state.returned_amount, state.recheck_at,
    state.generation, state.claims, state.fence, state.version, state.first_submitted_at, state.claimed_at,
    state.quiet_at, state.due_at, state.updated_at
FROM payout_details AS payout JOIN payout_states AS state ON state.id = payout.id;

-- The whole audit trail, to look at.
CREATE VIEW payout_trail AS
SELECT
    id AS payout_id, 0 AS sequence, 0 AS generation, 0 AS fence, created_at AS at, 'created' AS kind,
    'pending' AS status, created_by AS actor, created_in AS request_id, created_because AS detail
FROM payout_details
WHERE created_by IS NOT NULL
UNION ALL
SELECT payout_id, sequence - 1, generation, fence, claimed_at, 'claimed', 'processing', claimed_by, NULL, NULL
FROM payout_events
WHERE claimed_by IS NOT NULL
UNION ALL
SELECT payout_id, sequence, generation, fence, at, kind, status, actor, request_id, detail
FROM payout_events
UNION ALL
SELECT id, 9223372036854775807, generation, fence, claimed_at, 'claimed', 'processing', claimed_by, NULL, NULL
FROM payout_states
WHERE claimed_by IS NOT NULL;
