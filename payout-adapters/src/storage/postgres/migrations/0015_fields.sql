-- The client's own reference, metadata, the text for the recipient's statement, the schedule and the batch of a payout.
--
-- Online but for moments: the columns are added without a rewrite of the table. The indexes are over rows that have the
-- new columns, of which there are none yet; each build reads the table once, and writes wait meanwhile.

ALTER TABLE payout_details
    -- Compared byte by byte.
    ADD COLUMN external_id    text COLLATE "C",
    -- A JSON object of texts; null where there are none.
    ADD COLUMN metadata       jsonb,
    ADD COLUMN statement_text text,
    -- The time that the client asked for. What a worker goes by is `due_at`.
    ADD COLUMN scheduled_at   timestamptz,
    -- The batch that the payout came in.
    ADD COLUMN batch_id       uuid;

ALTER TABLE payout_details
    ADD CONSTRAINT payout_details_further_texts_fit CHECK (
        char_length(external_id) BETWEEN 1 AND 128
        AND char_length(statement_text) BETWEEN 1 AND 140) NOT VALID,
    ADD CONSTRAINT payout_details_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object') NOT VALID;
ALTER TABLE payout_details VALIDATE CONSTRAINT payout_details_further_texts_fit;
ALTER TABLE payout_details VALIDATE CONSTRAINT payout_details_metadata_is_an_object;

-- One payout has a reference, for ever; a payout that is deleted gives it up.
CREATE UNIQUE INDEX payout_details_external_id ON payout_details (external_id)
    WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX payout_details_by_metadata ON payout_details USING gin (metadata jsonb_path_ops)
    WHERE metadata IS NOT NULL;
CREATE INDEX payout_details_by_schedule ON payout_details (scheduled_at, id)
    WHERE scheduled_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX payout_details_by_batch ON payout_details (batch_id, created_at, id)
    WHERE batch_id IS NOT NULL;

DROP VIEW payouts;
CREATE VIEW payouts AS
SELECT
    payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name,
    payout.recipient_name_folded, payout.recipient_details, payout.description, payout.external_id, payout.metadata,
    payout.statement_text, payout.scheduled_at, payout.batch_id, payout.created_by, payout.provider_key, payout.sealed,
    payout.mac, payout.changed_version, payout.created_at, payout.deleted_at,
    state.status, state.needs_review, state.failure_code, state.failure_message, state.failure_reason,
    state.provider, state.provider_reference, state.waiting_for, state.waiting_since, state.completed_at,
    state.returned_at, state.returned_amount, state.recheck_at,
    state.generation, state.claims, state.fence, state.version, state.first_submitted_at, state.claimed_at,
    state.quiet_at, state.due_at, state.updated_at
FROM payout_details AS payout JOIN payout_states AS state ON state.id = payout.id;
