-- What a payout says is written once, and where it stands is a narrow row of its own: a claim and a settlement write
-- that row alone, with three indexes where there were seven.
--
-- Not online: the payouts are locked while their states are copied. docs/upgrades.md says for how long.

ALTER TABLE payouts RENAME TO payout_details;

CREATE TABLE payout_states (
    id                 uuid        NOT NULL,
    created_at         timestamptz NOT NULL,
    generation         bigint      NOT NULL,
    fence              bigint      NOT NULL,
    claims             bigint      NOT NULL,
    version            bigint      NOT NULL,
    updated_at         timestamptz NOT NULL,
    due_at             timestamptz,
    claimed_at         timestamptz,
    quiet_at           timestamptz,
    first_submitted_at timestamptz,
    deleted_at         timestamptz,
    -- How often a person has changed the payout: the details are current that have the same number.
    revision           integer     NOT NULL DEFAULT 0,
    needs_review       boolean     NOT NULL,
    status             text COLLATE "C" NOT NULL,
    -- The worker of the latest claim, until an event has it.
    claimed_by         text,
    provider_reference text,
    failure_code       text,
    failure_message    text,

    CONSTRAINT payout_states_status_is_known CHECK (
        status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    CONSTRAINT payout_states_counters_count_up CHECK (
        generation >= 0 AND claims >= 0 AND fence >= claims AND version >= 1 AND revision >= 0),
    CONSTRAINT payout_states_review_is_of_processing CHECK (NOT needs_review OR status = 'processing'),
    CONSTRAINT payout_states_processing_is_claimed CHECK (
        status <> 'processing'
        OR (claims > 0 AND claimed_at IS NOT NULL AND quiet_at IS NOT NULL AND first_submitted_at IS NOT NULL)),
    CONSTRAINT payout_states_open_claim_is_of_processing CHECK (
        claimed_by IS NULL OR (status = 'processing' AND NOT needs_review)),
    CONSTRAINT payout_states_failure_is_of_failed CHECK (
        (status = 'failed') = (failure_code IS NOT NULL)
        AND (failure_code IS NULL) = (failure_message IS NULL)),
    CONSTRAINT payout_states_due_while_work_is_left CHECK (
        (due_at IS NOT NULL)
        = (deleted_at IS NULL AND (status = 'pending' OR (status = 'processing' AND NOT needs_review)))),
    CONSTRAINT payout_states_processing_is_not_deleted CHECK (deleted_at IS NULL OR status <> 'processing')
) WITH (
    -- A row is written three times within seconds of its creation: leave room for its later versions on its own page,
    -- and clean up after a fiftieth of the table has changed rather than a fifth.
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_limit = 2000
);

INSERT INTO payout_states (
    id, created_at, generation, fence, claims, version, updated_at, due_at, claimed_at, quiet_at, first_submitted_at,
    deleted_at, needs_review, status, provider_reference, failure_code, failure_message
)
SELECT
    id, created_at, generation, fence, claims, version, updated_at, due_at, claimed_at, quiet_at, first_submitted_at,
    deleted_at, needs_review, status, provider_reference, failure_code, failure_message
FROM payout_details;

ALTER TABLE payout_states ADD CONSTRAINT payout_states_pkey PRIMARY KEY (id);

-- Whatever somebody must look at, for whatever reason: dispatch, schedule, backoff, lease, poll.
CREATE INDEX payout_states_due ON payout_states (due_at) WHERE due_at IS NOT NULL;

-- Lists by status and of reviews, by keyset.
CREATE INDEX payout_states_by_status ON payout_states (status, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX payout_states_in_review ON payout_states (created_at, id) WHERE needs_review;

-- With them go the constraints and the indexes that name them. A program from before this schema can claim nothing: it
-- finds none of these columns in a table, and cannot write to the view below.
ALTER TABLE payout_details
    DROP COLUMN generation,
    DROP COLUMN claims,
    DROP COLUMN fence,
    DROP COLUMN version,
    DROP COLUMN updated_at,
    DROP COLUMN due_at,
    DROP COLUMN first_submitted_at,
    DROP COLUMN claimed_at,
    DROP COLUMN quiet_at,
    DROP COLUMN needs_review,
    DROP COLUMN status,
    DROP COLUMN failure_code,
    DROP COLUMN failure_message,
    DROP COLUMN provider_reference,
    DROP COLUMN keyed_claim;

-- The event of the creation, where it has no row of its own: rows of before have one.
ALTER TABLE payout_details
    ADD COLUMN revision integer NOT NULL DEFAULT 0,
    ADD COLUMN created_by text,
    ADD COLUMN created_in text,
    ADD COLUMN created_because text;

ALTER TABLE payout_details SET (fillfactor = 100);
ALTER TABLE payout_details RENAME CONSTRAINT payouts_pkey TO payout_details_pkey;
ALTER TABLE payout_details RENAME CONSTRAINT payouts_amount_is_positive TO payout_details_amount_is_positive;
ALTER TABLE payout_details RENAME CONSTRAINT payouts_currency_is_a_code TO payout_details_currency_is_a_code;
ALTER TABLE payout_details RENAME CONSTRAINT payouts_texts_fit TO payout_details_texts_fit;
ALTER TABLE payout_details RENAME CONSTRAINT payouts_sealed_shows_nothing TO payout_details_sealed_shows_nothing;
ALTER INDEX payouts_by_age RENAME TO payout_details_by_age;
ALTER INDEX payouts_by_account RENAME TO payout_details_by_account;
ALTER INDEX payouts_by_name RENAME TO payout_details_by_name;
ALTER INDEX payouts_deleted_by_age RENAME TO payout_details_deleted_by_age;

CREATE FUNCTION payout_creation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the creation of a payout is not changed' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER payout_details_keep_creation
    BEFORE UPDATE OF id, created_at, created_by, created_in, created_because OR DELETE OR TRUNCATE ON payout_details
    FOR EACH STATEMENT EXECUTE FUNCTION payout_creation_refuse_change();

-- A claim has an event of its own only when another event comes between it and its outcome. Else its outcome's row has
-- it, and its place is the number before that row's: no row has it.
ALTER TABLE payout_events
    ADD COLUMN claimed_by text,
    ADD COLUMN claimed_at timestamptz,
    ADD CONSTRAINT payout_events_claim_is_whole CHECK ((claimed_by IS NULL) = (claimed_at IS NULL)) NOT VALID,
    ALTER COLUMN sequence SET INCREMENT BY 2;

CREATE OR REPLACE FUNCTION idempotency_keys_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spent_provider_keys (provider_key)
    SELECT provider_key FROM payout_details
    WHERE id = ANY (ARRAY(SELECT payout_id FROM forgotten)) AND provider_key IS NOT NULL
    ORDER BY provider_key
    ON CONFLICT (provider_key) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION idempotency_keys_all_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spent_provider_keys (provider_key)
    SELECT provider_key FROM payout_details
    WHERE id IN (SELECT payout_id FROM idempotency_keys) AND provider_key IS NOT NULL
    ORDER BY provider_key
    ON CONFLICT (provider_key) DO NOTHING;
    RETURN NULL;
END
$$;

-- Both rows as one, to look at: by a person, and by a server from before this schema until it is replaced.
CREATE VIEW payouts AS
SELECT
    payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name,
    payout.recipient_name_folded, payout.description, payout.provider_key, payout.sealed, payout.mac,
    payout.changed_version, payout.created_at, payout.deleted_at,
    state.status, state.needs_review, state.failure_code, state.failure_message, state.provider_reference,
    state.generation, state.claims, state.fence, state.version, state.first_submitted_at, state.claimed_at,
    state.quiet_at, state.due_at, state.updated_at
FROM payout_details AS payout JOIN payout_states AS state ON state.id = payout.id;

-- The whole audit trail, to look at.
CREATE VIEW payout_trail AS
SELECT
    id AS payout_id, 0::bigint AS sequence, 0::bigint AS generation, 0::bigint AS fence, created_at AS at, 'created' AS kind,
    'pending' AS status, created_by AS actor, created_in AS request_id, created_because AS detail
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

ANALYZE payout_states;
