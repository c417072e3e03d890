-- Approvals: payouts that other people must approve before they are sent, and the owners of API keys.
--
-- SQLite changes no constraint of a table, so the table of states is rebuilt: the file is locked for as long as the copy
-- takes.

DROP VIEW payouts;
DROP VIEW payout_trail;

-- The person who holds the key. Two keys of one owner are one person where approvals are counted.
ALTER TABLE api_keys ADD COLUMN owner TEXT
    CONSTRAINT api_keys_owner_fits CHECK (length(owner) BETWEEN 1 AND 64);

DROP TRIGGER api_keys_updated;
CREATE TRIGGER api_keys_updated
AFTER UPDATE OF id, name, scopes, digest, secret_id, previous_digest, previous_until, created_at, expires_at, rotated_at,
    revoked_at, idempotency_scope, owner ON api_keys
BEGIN
    UPDATE api_key_ring SET revision = revision + 1;
END;

-- The people who created the payout, and who last edited or retried it; null while no approvals are configured.
ALTER TABLE payout_details ADD COLUMN created_person TEXT;
ALTER TABLE payout_details ADD COLUMN edited_person TEXT;
-- The status of a payout that was not pending when it was created.
ALTER TABLE payout_details ADD COLUMN created_status TEXT;

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
    batch_id           BLOB,
    -- The time at which the payout is due in the queue of its batch.
    batch_due_at       INTEGER,
    -- The number of people who must approve.
    approvals_required INTEGER NOT NULL DEFAULT 0,
    -- The number of times that the approvals began anew. Only those of this round count.
    approval_round     INTEGER NOT NULL DEFAULT 0,
    -- The reasons, separated by spaces.
    approval_reasons   TEXT,
    -- The approvals of this round, as a JSON array. The table below has them all.
    approvals_given    TEXT,
    -- The digest of what was approved. A claim of anything else sends nothing.
    approved_digest    BLOB,

    CONSTRAINT payout_states_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT payout_states_status_is_known CHECK (
        status IN ('awaiting_approval', 'pending', 'processing', 'completed', 'returned', 'failed', 'cancelled')),
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
    -- What requires approval is nothing but awaiting it, or cancelled, before it has all of it.
    CONSTRAINT payout_states_approvals_are_given CHECK (
        CASE WHEN approvals_required = 0 THEN status <> 'awaiting_approval' AND approved_digest IS NULL
            WHEN status = 'awaiting_approval' THEN approved_digest IS NULL
            ELSE status = 'cancelled' OR length(approved_digest) = 32 END),
    CONSTRAINT payout_states_batch_is_a_uuid CHECK (length(batch_id) = 16),
    CONSTRAINT payout_states_queue_is_of_batch CHECK (
        batch_due_at IS NULL OR (batch_id IS NOT NULL AND due_at > 253339228800000000)),
    CONSTRAINT payout_states_wait_is_whole CHECK ((waiting_for IS NULL) = (waiting_since IS NULL)),
    CONSTRAINT payout_states_due_while_work_is_left CHECK (
        (due_at IS NOT NULL)
        = (deleted_at IS NULL AND (status = 'pending' OR (status = 'processing' AND NOT needs_review)))),
    CONSTRAINT payout_states_processing_is_not_deleted CHECK (deleted_at IS NULL OR status <> 'processing')
) STRICT, WITHOUT ROWID;

INSERT INTO new_payout_states (
    id, created_at, generation, fence, claims, version, updated_at, due_at, claimed_at, quiet_at, first_submitted_at,
    deleted_at, revision, needs_review, status, claimed_by, provider_reference, failure_code, failure_message,
    failure_reason, provider, waiting_for, waiting_since, completed_at, returned_at, returned_amount, recheck_at,
    batch_id, batch_due_at
)
SELECT
    id, created_at, generation, fence, claims, version, updated_at, due_at, claimed_at, quiet_at, first_submitted_at,
    deleted_at, revision, needs_review, status, claimed_by, provider_reference, failure_code, failure_message,
    failure_reason, provider, waiting_for, waiting_since, completed_at, returned_at, returned_amount, recheck_at,
    batch_id, batch_due_at
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
CREATE INDEX payout_states_batch_queue ON payout_states (provider, batch_id, batch_due_at, id)
    WHERE batch_due_at IS NOT NULL;
-- A provider's notification names a payment by its reference. Only payments that may still change are found.
CREATE INDEX payout_states_by_reference ON payout_states (provider_reference)
    WHERE provider_reference IS NOT NULL AND (recheck_at IS NOT NULL OR status = 'processing');

-- Every approval, for ever. A person counts once in a round.
CREATE TABLE payout_approvals (
    payout_id  BLOB    NOT NULL,
    round      INTEGER NOT NULL,
    person     TEXT    NOT NULL,
    -- The name of the API key, and the first of those that it succeeds.
    name       TEXT    NOT NULL,
    api_key_id BLOB,
    at         INTEGER NOT NULL,
    -- The digest of the payout as it was approved.
    digest     BLOB    NOT NULL,

    CONSTRAINT payout_approvals_pkey PRIMARY KEY (payout_id, round, person),
    CONSTRAINT payout_approvals_digest_is_a_digest CHECK (length(digest) = 32)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER payout_approvals_four_eyes BEFORE INSERT ON payout_approvals
WHEN NEW.person = 'open' OR EXISTS (
    SELECT 1 FROM payout_details
    WHERE id = NEW.payout_id
        AND (NEW.person IN (created_person, edited_person) OR (created_person IS NULL AND created_by = NEW.name))
)
BEGIN
    SELECT RAISE(ABORT, 'a payout is approved by others than those who created and edited it');
END;

CREATE TRIGGER payout_approvals_refuse_update BEFORE UPDATE ON payout_approvals
BEGIN
    SELECT RAISE(ABORT, 'payout_approvals is append-only');
END;

CREATE TRIGGER payout_approvals_refuse_delete BEFORE DELETE ON payout_approvals
BEGIN
    SELECT RAISE(ABORT, 'payout_approvals is append-only');
END;

CREATE TRIGGER payout_approvals_refuse_replace BEFORE INSERT ON payout_approvals
WHEN EXISTS (
    SELECT 1 FROM payout_approvals
    WHERE payout_id = NEW.payout_id AND round = NEW.round AND person = NEW.person
)
BEGIN
    SELECT RAISE(ABORT, 'payout_approvals is append-only');
END;

-- Nothing leaves this status with fewer approvals than it requires, unless it is cancelled.
CREATE TRIGGER payout_states_are_approved BEFORE UPDATE OF status ON payout_states
WHEN OLD.status = 'awaiting_approval' AND NEW.status NOT IN ('awaiting_approval', 'cancelled')
    AND (SELECT count(*) FROM payout_approvals WHERE payout_id = NEW.id AND round = NEW.approval_round)
        < NEW.approvals_required
BEGIN
    SELECT RAISE(ABORT, 'the payout lacks approvals');
END;

DROP TRIGGER payout_details_refuse_update;
CREATE TRIGGER payout_details_refuse_update
BEFORE UPDATE OF id, created_at, created_by, created_in, created_because, created_person, created_status ON payout_details
BEGIN
    SELECT RAISE(ABORT, 'the creation of a payout is not changed');
END;

-- Both rows as one, to look at.
CREATE VIEW payouts AS
SELECT
    payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name,
    payout.recipient_name_folded, payout.recipient_details, payout.description, payout.external_id, payout.metadata,
    payout.statement_text, payout.scheduled_at, payout.batch_id, payout.recipient_id, payout.created_by, payout.provider_key, payout.sealed,
    payout.mac, payout.changed_version, payout.created_at, payout.deleted_at,
    state.status, state.needs_review, state.failure_code, state.failure_message, state.failure_reason,
    state.provider, state.provider_reference, state.waiting_for, state.waiting_since, state.completed_at,
    state.returned_at, state.returned_amount, state.recheck_at, payout.created_person, payout.edited_person,
    state.approvals_required, state.approval_round, state.approval_reasons, state.approvals_given,
    state.approved_digest, state.generation, state.claims, state.fence, state.version, state.first_submitted_at,
    state.claimed_at, state.quiet_at, coalesce(state.batch_due_at, state.due_at) AS due_at, state.updated_at
FROM payout_details AS payout JOIN payout_states AS state ON state.id = payout.id;

-- The whole audit trail, to look at.
CREATE VIEW payout_trail AS
SELECT
    id AS payout_id, 0 AS sequence, 0 AS generation, 0 AS fence, created_at AS at,
    'created' AS kind, coalesce(created_status, 'pending') AS status, created_by AS actor, created_in AS request_id,
    created_because AS detail
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
