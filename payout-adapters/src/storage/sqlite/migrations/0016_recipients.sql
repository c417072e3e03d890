-- Recipients that are stored for further payouts.

CREATE TABLE recipients (
    id          BLOB    NOT NULL PRIMARY KEY,
    external_id TEXT,
    -- The account, the name and the other parts, in plain; or `***` twice, and everything in `sealed`.
    account     TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    details     TEXT,
    sealed      BLOB,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    archived_at INTEGER,

    CONSTRAINT recipients_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT recipients_external_id UNIQUE (external_id),
    CONSTRAINT recipients_texts_fit CHECK (
        (external_id IS NULL OR length(external_id) BETWEEN 1 AND 128)
        AND length(account) BETWEEN 1 AND 128 AND length(name) BETWEEN 1 AND 128),
    CONSTRAINT recipients_sealed_hides_all CHECK (
        sealed IS NULL OR (account = '***' AND name = '***' AND details IS NULL)),
    CONSTRAINT recipients_version_counts_up CHECK (version >= 1)
) STRICT;
CREATE INDEX recipients_by_age ON recipients (created_at, id);

CREATE TRIGGER recipients_keep BEFORE DELETE ON recipients
BEGIN
    SELECT RAISE(ABORT, 'a recipient is archived, not deleted');
END;

-- The stored recipient that a payout's recipient was copied from.
ALTER TABLE payout_details ADD COLUMN recipient_id BLOB;
CREATE INDEX payout_details_by_recipient ON payout_details (recipient_id, created_at, id)
    WHERE recipient_id IS NOT NULL;
