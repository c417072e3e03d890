-- Batches: payouts that are stored together, and claimed in turn with everything else.

CREATE TABLE payout_batches (
    id           BLOB    NOT NULL PRIMARY KEY,
    -- The client's own reference.
    external_id  TEXT,
    -- The digest of what the batch asked for.
    content      BLOB    NOT NULL,
    description  TEXT    NOT NULL,
    scheduled_at INTEGER,
    -- The number of payouts that were stored, and of rows that were left out since their payouts were there.
    payouts      INTEGER NOT NULL,
    left_out     INTEGER NOT NULL,
    -- All payouts of the batch have the same time.
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL,
    created_in   TEXT,

    CONSTRAINT payout_batches_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT payout_batches_content_is_a_digest CHECK (length(content) = 32),
    CONSTRAINT payout_batches_has_payouts CHECK (payouts > 0 AND left_out >= 0)
) STRICT;

-- A file that is sent twice is one batch.
CREATE UNIQUE INDEX payout_batches_external_id ON payout_batches (external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX payout_batches_content ON payout_batches (content);
CREATE INDEX payout_batches_by_age ON payout_batches (created_at, id);

-- Until its first claim, a payout of a batch waits in the queue of its batch: it is due at `batch_due_at`, and its
-- `due_at` is the year 9999. So the index of due payouts has only those without a batch and those that were claimed
-- before, and a batch of any size is before none of them.
ALTER TABLE payout_states ADD COLUMN batch_id BLOB
    CONSTRAINT payout_states_batch_is_a_uuid CHECK (length(batch_id) = 16);
ALTER TABLE payout_states ADD COLUMN batch_due_at INTEGER
    CONSTRAINT payout_states_queue_is_of_batch CHECK (
        batch_due_at IS NULL OR (batch_id IS NOT NULL AND due_at > 253339228800000000));
CREATE INDEX payout_states_batch_queue ON payout_states (provider, batch_id, batch_due_at, id)
    WHERE batch_due_at IS NOT NULL;

DROP VIEW payouts;
CREATE VIEW payouts AS
SELECT
    payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name,
    payout.recipient_name_folded, payout.recipient_details, payout.description, payout.external_id, payout.metadata,
    payout.statement_text, payout.scheduled_at, payout.batch_id, payout.recipient_id, payout.created_by, payout.provider_key, payout.sealed,
    payout.mac, payout.changed_version, payout.created_at, payout.deleted_at,
    state.status, state.needs_review, state.failure_code, state.failure_message, state.failure_reason,
    state.provider, state.provider_reference, state.waiting_for, state.waiting_since, state.completed_at,
    state.returned_at, state.returned_amount, state.recheck_at,
    state.generation, state.claims, state.fence, state.version, state.first_submitted_at, state.claimed_at,
    state.quiet_at, coalesce(state.batch_due_at, state.due_at) AS due_at, state.updated_at
FROM payout_details AS payout JOIN payout_states AS state ON state.id = payout.id;
