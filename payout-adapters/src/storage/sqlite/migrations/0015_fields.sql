-- The client's own reference, metadata, the text for the recipient's statement, the schedule and the batch of a payout.

ALTER TABLE payout_details ADD COLUMN external_id TEXT
    CONSTRAINT payout_details_external_id_fits CHECK (length(external_id) BETWEEN 1 AND 128);
-- A JSON object of texts; null where there are none.
ALTER TABLE payout_details ADD COLUMN metadata TEXT
    CONSTRAINT payout_details_metadata_is_an_object CHECK (json_type(metadata) = 'object');
ALTER TABLE payout_details ADD COLUMN statement_text TEXT
    CONSTRAINT payout_details_statement_text_fits CHECK (length(statement_text) BETWEEN 1 AND 140);
-- The time that the client asked for. What a worker goes by is `due_at`.
ALTER TABLE payout_details ADD COLUMN scheduled_at INTEGER;
-- The batch that the payout came in.
ALTER TABLE payout_details ADD COLUMN batch_id BLOB
    CONSTRAINT payout_details_batch_id_is_a_uuid CHECK (length(batch_id) = 16);

-- One payout has a reference, for ever; a payout that is deleted gives it up.
CREATE UNIQUE INDEX payout_details_external_id ON payout_details (external_id)
    WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX payout_details_by_schedule ON payout_details (scheduled_at, id)
    WHERE scheduled_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX payout_details_by_batch ON payout_details (batch_id, created_at, id)
    WHERE batch_id IS NOT NULL;

-- The metadata of all payouts by name and value, in the order of a list. The triggers keep it.
CREATE TABLE payout_metadata (
    name       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    id         BLOB    NOT NULL,

    PRIMARY KEY (name, value, created_at, id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER payout_details_metadata_added
AFTER INSERT ON payout_details
WHEN new.metadata IS NOT NULL
BEGIN
    INSERT INTO payout_metadata (name, value, created_at, id)
    SELECT entry.key, entry.value, new.created_at, new.id FROM json_each(new.metadata) AS entry;
END;

CREATE TRIGGER payout_details_metadata_changed
AFTER UPDATE OF metadata ON payout_details
WHEN new.metadata IS NOT old.metadata
BEGIN
    DELETE FROM payout_metadata
    WHERE id = old.id AND created_at = old.created_at
        AND (name, value) IN (SELECT entry.key, entry.value FROM json_each(coalesce(old.metadata, '{}')) AS entry);
    INSERT INTO payout_metadata (name, value, created_at, id)
    SELECT entry.key, entry.value, new.created_at, new.id FROM json_each(coalesce(new.metadata, '{}')) AS entry;
END;

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
