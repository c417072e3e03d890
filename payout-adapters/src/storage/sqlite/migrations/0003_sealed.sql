-- Who is paid may be sealed: encrypted for its row, with a key that the database never sees.
--
-- A sealed payout has digests, under a key as well, where the search looks (recipient_account, recipient_name_folded),
-- *** for a name, and account and name in `sealed`. A sealed answer has its fingerprint and its snapshot in `sealed`, and
-- zeros and nothing in their own columns.

-- Nothing is in plain beside what is sealed.
ALTER TABLE payouts ADD COLUMN sealed BLOB CONSTRAINT payouts_sealed_shows_nothing CHECK (
    sealed IS NULL
    OR (recipient_name = '***' AND length(recipient_account) = 22 AND length(recipient_name_folded) = 22));
ALTER TABLE idempotency_keys ADD COLUMN sealed BLOB CONSTRAINT idempotency_keys_sealed_shows_nothing CHECK (
    sealed IS NULL OR (snapshot = '' AND fingerprint = zeroblob(32)));

-- The keys that something may be sealed with, by their ids: the proof is a text that only the right key opens.
CREATE TABLE sealing_keys (
    id            TEXT    NOT NULL PRIMARY KEY,
    proof         BLOB    NOT NULL,
    first_used_at INTEGER NOT NULL
) STRICT;
