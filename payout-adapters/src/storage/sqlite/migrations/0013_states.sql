-- What a payout says is written once, and where it stands is a narrow row of its own: a claim and a settlement write
-- that row alone.
--
-- SQLite drops no column that a constraint names, nor a table that another refers to, so both tables are made anew: the
-- file is locked for as long as it takes to copy the payouts and their events, and needs as much room again.

DROP TRIGGER idempotency_keys_forgotten;

CREATE TABLE payout_details (
    id                    BLOB    NOT NULL PRIMARY KEY,
    created_at            INTEGER NOT NULL,
    deleted_at            INTEGER,
    -- Decimal digits: no number type of SQLite holds 22 of them exactly.
    amount                TEXT    NOT NULL,
    currency              TEXT    NOT NULL,
    recipient_account     TEXT    NOT NULL,
    recipient_name        TEXT    NOT NULL,
    -- In the order of code points, so that a prefix is a range of the index.
    recipient_name_folded TEXT    NOT NULL,
    description           TEXT    NOT NULL,
    -- What the provider's idempotency keys begin with; absent, the id is.
    provider_key          BLOB,
    sealed                BLOB,
    mac                   BLOB,
    -- The version that the payout had when a person last wrote it; the MAC is over it.
    changed_version       INTEGER,
    -- How often a person has changed the payout: as often as its state says.
    revision              INTEGER NOT NULL DEFAULT 0,
    -- The event of the creation, where it has no row of its own: rows of before have one.
    created_by            TEXT,
    created_in            TEXT,
    created_because       TEXT,

    CONSTRAINT payout_details_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT payout_details_amount_is_positive CHECK (
        amount GLOB '[0-9]*' AND amount NOT GLOB '*[^0-9.]*' AND amount GLOB '*[1-9]*'),
    CONSTRAINT payout_details_currency_is_a_code CHECK (length(currency) = 3),
    CONSTRAINT payout_details_texts_fit CHECK (
        length(recipient_account) BETWEEN 1 AND 128
        AND length(recipient_name) BETWEEN 1 AND 128
        AND length(description) <= 255),
    CONSTRAINT payout_details_provider_key_is_a_uuid CHECK (length(provider_key) = 16),
    -- Nothing is in plain beside what is sealed.
    CONSTRAINT payout_details_sealed_shows_nothing CHECK (
        sealed IS NULL
        OR (recipient_name = '***' AND length(recipient_account) = 22 AND length(recipient_name_folded) = 22))
) STRICT;

INSERT INTO payout_details (
    id, created_at, deleted_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
    provider_key, sealed, mac, changed_version
)
SELECT
    id, created_at, deleted_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
    provider_key, sealed, mac, changed_version
FROM payouts
ORDER BY rowid;

CREATE TABLE payout_states (
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

    CONSTRAINT payout_states_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT payout_states_status_is_known CHECK (
        status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
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
        (status = 'failed') = (failure_code IS NOT NULL)
        AND (failure_code IS NULL) = (failure_message IS NULL)),
    CONSTRAINT payout_states_due_while_work_is_left CHECK (
        (due_at IS NOT NULL)
        = (deleted_at IS NULL AND (status = 'pending' OR (status = 'processing' AND NOT needs_review)))),
    CONSTRAINT payout_states_processing_is_not_deleted CHECK (deleted_at IS NULL OR status <> 'processing')
) STRICT, WITHOUT ROWID;

INSERT INTO payout_states (
    id, created_at, generation, fence, claims, version, updated_at, due_at, claimed_at, quiet_at, first_submitted_at,
    deleted_at, needs_review, status, provider_reference, failure_code, failure_message
)
SELECT
    id, created_at, generation, fence, claims, version, updated_at, due_at, claimed_at, quiet_at, first_submitted_at,
    deleted_at, needs_review, status, provider_reference, failure_code, failure_message
FROM payouts
ORDER BY id;

-- As on PostgreSQL, no event refers to a payout by a constraint: each is written with its payout.
CREATE TABLE moved_payout_events (
    sequence   INTEGER PRIMARY KEY,
    payout_id  BLOB    NOT NULL,
    generation INTEGER NOT NULL,
    fence      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    request_id TEXT,
    detail     TEXT,
    -- The claim that this is the outcome of, where it has no row of its own; its place is the number before, which no row
    -- has then.
    claimed_by TEXT,
    claimed_at INTEGER,

    CONSTRAINT payout_events_claim_is_whole CHECK ((claimed_by IS NULL) = (claimed_at IS NULL))
) STRICT;

INSERT INTO moved_payout_events (
    sequence, payout_id, generation, fence, at, kind, status, actor, request_id, detail
)
SELECT sequence, payout_id, generation, fence, at, kind, status, actor, request_id, detail
FROM payout_events
ORDER BY sequence;

DROP TABLE payout_events;
DROP TABLE payouts;
ALTER TABLE moved_payout_events RENAME TO payout_events;

CREATE INDEX payout_events_by_payout ON payout_events (payout_id);

CREATE TRIGGER payout_events_refuse_update BEFORE UPDATE ON payout_events
BEGIN
    SELECT RAISE(ABORT, 'payout_events is append-only');
END;

CREATE TRIGGER payout_events_refuse_delete BEFORE DELETE ON payout_events
BEGIN
    SELECT RAISE(ABORT, 'payout_events is append-only');
END;

-- INSERT OR REPLACE removes the row that stands in its way without a word to the triggers of removals.
CREATE TRIGGER payout_events_refuse_replace BEFORE INSERT ON payout_events
WHEN EXISTS (SELECT 1 FROM payout_events WHERE sequence = NEW.sequence)
BEGIN
    SELECT RAISE(ABORT, 'payout_events is append-only');
END;

CREATE TRIGGER payout_details_refuse_update
BEFORE UPDATE OF id, created_at, created_by, created_in, created_because ON payout_details
BEGIN
    SELECT RAISE(ABORT, 'the creation of a payout is not changed');
END;

CREATE TRIGGER payout_details_refuse_delete BEFORE DELETE ON payout_details
BEGIN
    SELECT RAISE(ABORT, 'the creation of a payout is not changed');
END;

CREATE TRIGGER payout_details_refuse_replace BEFORE INSERT ON payout_details
WHEN EXISTS (SELECT 1 FROM payout_details WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the creation of a payout is not changed');
END;

-- Whatever somebody must look at, for whatever reason: dispatch, schedule, backoff, lease, poll.
CREATE INDEX payout_states_due ON payout_states (due_at) WHERE due_at IS NOT NULL;

-- Lists, by keyset. There is no index of those under review: SQLite plans before it knows the parameters, and could
-- not choose it.
CREATE INDEX payout_details_by_age ON payout_details (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX payout_details_deleted_by_age ON payout_details (created_at, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX payout_states_by_status ON payout_states (status, created_at, id) WHERE deleted_at IS NULL;

-- The search.
CREATE INDEX payout_details_by_account ON payout_details (recipient_account, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX payout_details_by_name ON payout_details (recipient_name_folded) WHERE deleted_at IS NULL;

CREATE TRIGGER idempotency_keys_forgotten AFTER DELETE ON idempotency_keys
BEGIN
    INSERT INTO spent_provider_keys (provider_key)
    SELECT provider_key FROM payout_details WHERE id = OLD.payout_id AND provider_key IS NOT NULL
    ON CONFLICT (provider_key) DO NOTHING;
END;

-- Both rows as one, to look at: by a person, and by a server from before this schema until it is replaced.
CREATE VIEW payouts AS
SELECT
    payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name,
    payout.recipient_name_folded, payout.description, payout.provider_key, payout.sealed, payout.mac,
    payout.changed_version, payout.created_at, payout.deleted_at,
    state.status, state.needs_review, state.failure_code, state.failure_message, state.provider_reference,
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
