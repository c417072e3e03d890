-- Payouts, their audit trail, and the idempotency records. Times are microseconds since 1970, UUIDs 16 bytes.

CREATE TABLE payouts (
    id                    BLOB    NOT NULL PRIMARY KEY,
    -- Decimal digits: no number type of SQLite holds 22 of them exactly.
    amount                TEXT    NOT NULL,
    currency              TEXT    NOT NULL,
    recipient_account     TEXT    NOT NULL,
    recipient_name        TEXT    NOT NULL,
    -- In the order of code points, so that a prefix is a range of the index.
    recipient_name_folded TEXT    NOT NULL,
    description           TEXT    NOT NULL,
    status                TEXT    NOT NULL,
    needs_review          INTEGER NOT NULL,
    failure_code          TEXT,
    failure_message       TEXT,
    provider_reference    TEXT,
    generation            INTEGER NOT NULL,
    claims                INTEGER NOT NULL,
    fence                 INTEGER NOT NULL,
    version               INTEGER NOT NULL,
    first_submitted_at    INTEGER,
    claimed_at            INTEGER,
    quiet_at              INTEGER,
    due_at                INTEGER,
    deleted_at            INTEGER,
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,

    CONSTRAINT payouts_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT payouts_amount_is_positive CHECK (
        amount GLOB '[0-9]*' AND amount NOT GLOB '*[^0-9.]*' AND amount GLOB '*[1-9]*'),
    CONSTRAINT payouts_currency_is_a_code CHECK (length(currency) = 3),
    CONSTRAINT payouts_texts_fit CHECK (
        length(recipient_account) BETWEEN 1 AND 128
        AND length(recipient_name) BETWEEN 1 AND 128
        AND length(description) <= 255),
    CONSTRAINT payouts_status_is_known CHECK (
        status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    CONSTRAINT payouts_counters_count_up CHECK (
        generation >= 0 AND claims >= 0 AND fence >= claims AND version >= 1),
    CONSTRAINT payouts_review_is_of_processing CHECK (
        needs_review IN (0, 1) AND (NOT needs_review OR status = 'processing')),
    CONSTRAINT payouts_processing_is_claimed CHECK (
        status <> 'processing'
        OR (claims > 0 AND claimed_at IS NOT NULL AND quiet_at IS NOT NULL AND first_submitted_at IS NOT NULL)),
    CONSTRAINT payouts_failure_is_of_failed CHECK (
        (status = 'failed') = (failure_code IS NOT NULL)
        AND (failure_code IS NULL) = (failure_message IS NULL)),
    CONSTRAINT payouts_due_while_work_is_left CHECK (
        (due_at IS NOT NULL)
        = (deleted_at IS NULL AND (status = 'pending' OR (status = 'processing' AND NOT needs_review)))),
    CONSTRAINT payouts_processing_is_not_deleted CHECK (deleted_at IS NULL OR status <> 'processing')
) STRICT;

-- Whatever somebody must look at, for whatever reason: dispatch, schedule, backoff, lease, poll.
CREATE INDEX payouts_due ON payouts (due_at) WHERE due_at IS NOT NULL;

-- Lists, by keyset. There is no index of those under review: SQLite plans before it knows the parameters, and could
-- not choose it.
CREATE INDEX payouts_by_age ON payouts (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX payouts_by_status ON payouts (status, created_at, id) WHERE deleted_at IS NULL;

-- The search.
CREATE INDEX payouts_by_account ON payouts (recipient_account, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX payouts_by_name ON payouts (recipient_name_folded) WHERE deleted_at IS NULL;

CREATE TABLE payout_events (
    sequence   INTEGER PRIMARY KEY,
    payout_id  BLOB    NOT NULL REFERENCES payouts (id),
    generation INTEGER NOT NULL,
    fence      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    request_id TEXT,
    detail     TEXT
) STRICT;

CREATE INDEX payout_events_by_payout ON payout_events (payout_id);

CREATE TRIGGER payout_events_refuse_update BEFORE UPDATE ON payout_events
BEGIN
    SELECT RAISE(ABORT, 'payout_events is append-only');
END;

CREATE TRIGGER payout_events_refuse_delete BEFORE DELETE ON payout_events
BEGIN
    SELECT RAISE(ABORT, 'payout_events is append-only');
END;

CREATE TABLE idempotency_keys (
    key         TEXT    NOT NULL PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    payout_id   BLOB    NOT NULL,
    fingerprint BLOB    NOT NULL,
    -- JSON: the payout as the request was answered.
    snapshot    TEXT    NOT NULL,

    CONSTRAINT idempotency_keys_key_fits CHECK (length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_fingerprint_is_a_digest CHECK (length(fingerprint) = 32)
) STRICT;

-- To forget the oldest.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
