-- Recipients that are stored for further payouts.
--
-- Online but for moments: the column is added without a rewrite of the table, and the index is over rows that have it,
-- of which there are none yet; its build reads the table once, and writes wait meanwhile.

CREATE TABLE recipients (
    id          uuid        NOT NULL PRIMARY KEY,
    -- Compared byte by byte.
    external_id text COLLATE "C",
    -- The account, the name and the other parts, in plain; or `***` twice, and everything in `sealed`.
    account     text        NOT NULL,
    name        text        NOT NULL,
    details     text,
    sealed      bytea,
    version     bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    archived_at timestamptz,

    CONSTRAINT recipients_external_id UNIQUE (external_id),
    CONSTRAINT recipients_texts_fit CHECK (
        char_length(external_id) BETWEEN 1 AND 128
        AND char_length(account) BETWEEN 1 AND 128 AND char_length(name) BETWEEN 1 AND 128),
    CONSTRAINT recipients_sealed_hides_all CHECK (
        sealed IS NULL OR (account = '***' AND name = '***' AND details IS NULL)),
    CONSTRAINT recipients_version_counts_up CHECK (version >= 1)
);
CREATE INDEX recipients_by_age ON recipients (created_at, id);

CREATE FUNCTION recipients_refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a recipient is archived, not deleted' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER recipients_keep BEFORE DELETE OR TRUNCATE ON recipients
    FOR EACH STATEMENT EXECUTE FUNCTION recipients_refuse_deletion();

-- The stored recipient that a payout's recipient was copied from.
ALTER TABLE payout_details ADD COLUMN recipient_id uuid;
CREATE INDEX payout_details_by_recipient ON payout_details (recipient_id, created_at, id)
    WHERE recipient_id IS NOT NULL;
