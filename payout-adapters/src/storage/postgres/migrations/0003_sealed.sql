-- Who is paid may be sealed: encrypted for its row, with a key that the database never sees.
--
-- A sealed payout has digests, under a key as well, where the search looks (recipient_account, recipient_name_folded),
-- *** for a name, and account and name in `sealed`. A sealed answer has its fingerprint and its snapshot in `sealed`, and
-- zeros and nothing in their own columns.

ALTER TABLE payouts ADD COLUMN sealed bytea;
ALTER TABLE idempotency_keys ADD COLUMN sealed bytea;

-- Nothing is in plain beside what is sealed. NOT VALID: no row is sealed yet, so none needs to be looked at.
ALTER TABLE payouts ADD CONSTRAINT payouts_sealed_shows_nothing CHECK (
    sealed IS NULL
    OR (recipient_name = '***' AND char_length(recipient_account) = 22 AND char_length(recipient_name_folded) = 22)
) NOT VALID;
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_sealed_shows_nothing CHECK (
    sealed IS NULL OR (snapshot = '' AND fingerprint = decode(repeat('00', 32), 'hex'))
) NOT VALID;

-- The keys that something may be sealed with, by their ids: the proof is a text that only the right key opens.
CREATE TABLE sealing_keys (
    id            text COLLATE "C" NOT NULL,
    proof         bytea            NOT NULL,
    first_used_at timestamptz      NOT NULL,

    CONSTRAINT sealing_keys_pkey PRIMARY KEY (id)
);
