-- Payouts, their audit trail, and the idempotency records.

CREATE TABLE payouts (
    id                    uuid           NOT NULL,
    generation            bigint         NOT NULL,
    claims                bigint         NOT NULL,
    fence                 bigint         NOT NULL,
    version               bigint         NOT NULL,
    created_at            timestamptz    NOT NULL,
    updated_at            timestamptz    NOT NULL,
    due_at                timestamptz,
    first_submitted_at    timestamptz,
    claimed_at            timestamptz,
    quiet_at              timestamptz,
    deleted_at            timestamptz,
    needs_review          boolean        NOT NULL,
    -- 18 digits of any currency, with up to four decimals.
    amount                numeric(22, 4) NOT NULL,
    -- Codes are compared byte by byte: cheaper, and the same under every locale.
    currency              text COLLATE "C" NOT NULL,
    status                text COLLATE "C" NOT NULL,
    recipient_account     text COLLATE "C" NOT NULL,
    recipient_name        text           NOT NULL,
    -- In the order of code points, so that a prefix is a range of the index.
    recipient_name_folded text COLLATE "C" NOT NULL,
    description           text           NOT NULL,
    failure_code          text,
    failure_message       text,
    provider_reference    text,

    CONSTRAINT payouts_pkey PRIMARY KEY (id),
    CONSTRAINT payouts_amount_is_positive CHECK (amount > 0),
    CONSTRAINT payouts_currency_is_a_code CHECK (char_length(currency) = 3),
    CONSTRAINT payouts_texts_fit CHECK (
        char_length(recipient_account) BETWEEN 1 AND 128
        AND char_length(recipient_name) BETWEEN 1 AND 128
        AND char_length(description) <= 255),
    CONSTRAINT payouts_status_is_known CHECK (
        status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    CONSTRAINT payouts_counters_count_up CHECK (
        generation >= 0 AND claims >= 0 AND fence >= claims AND version >= 1),
    CONSTRAINT payouts_review_is_of_processing CHECK (NOT needs_review OR status = 'processing'),
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
) WITH (
    -- A row is written three times within seconds of its creation: leave room for its later versions on its own page,
    -- and clean up after a fiftieth of the table has changed rather than a fifth.
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_limit = 2000
);

-- Whatever somebody must look at, for whatever reason: dispatch, schedule, backoff, lease, poll.
CREATE INDEX payouts_due ON payouts (due_at) WHERE due_at IS NOT NULL;

-- Lists, by keyset. The currency is behind the order so that a filter by it is answered within the index.
CREATE INDEX payouts_by_age ON payouts (created_at, id, currency) WHERE deleted_at IS NULL;
CREATE INDEX payouts_by_status ON payouts (status, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX payouts_in_review ON payouts (created_at, id) WHERE needs_review;

-- The search.
CREATE INDEX payouts_by_account ON payouts (recipient_account, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX payouts_by_name ON payouts (recipient_name_folded) WHERE deleted_at IS NULL;

-- No foreign key: it would look the payout up once more for every event, and each event is written by the statement
-- that writes its payout.
CREATE TABLE payout_events (
    sequence   bigint      GENERATED ALWAYS AS IDENTITY,
    payout_id  uuid        NOT NULL,
    generation bigint      NOT NULL,
    fence      bigint      NOT NULL,
    at         timestamptz NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    status     text COLLATE "C" NOT NULL,
    actor      text        NOT NULL,
    request_id text,
    detail     text,

    CONSTRAINT payout_events_pkey PRIMARY KEY (payout_id, sequence)
);

CREATE FUNCTION payout_events_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payout_events is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER payout_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_events
    FOR EACH STATEMENT EXECUTE FUNCTION payout_events_refuse_change();

CREATE TABLE idempotency_keys (
    key         text COLLATE "C" NOT NULL,
    created_at  timestamptz NOT NULL,
    payout_id   uuid        NOT NULL,
    fingerprint bytea       NOT NULL,
    -- JSON: the payout as the request was answered.
    snapshot    text        NOT NULL,

    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key),
    CONSTRAINT idempotency_keys_key_fits CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_fingerprint_is_a_digest CHECK (octet_length(fingerprint) = 32)
);

-- To forget the oldest.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
