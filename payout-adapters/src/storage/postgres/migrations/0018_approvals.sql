-- Approvals: payouts that other people must approve before they are sent, and the owners of API keys.
--
-- Online but for moments: the columns are added without a rewrite of the tables, and the constraints are checked while
-- the payouts are read and written.

-- The person who holds the key. Two keys of one owner are one person where approvals are counted.
ALTER TABLE api_keys ADD COLUMN owner text;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_owner_fits CHECK (char_length(owner) BETWEEN 1 AND 64);

DROP TRIGGER api_keys_changed ON api_keys;
CREATE TRIGGER api_keys_changed
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, name, scopes, digest, secret_id, previous_digest, previous_until,
        created_at, expires_at, rotated_at, revoked_at, idempotency_scope, owner
    ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION api_keys_changed();

ALTER TABLE payout_details
    -- The people who created the payout, and who last edited or retried it; null while no approvals are configured.
    ADD COLUMN created_person text,
    ADD COLUMN edited_person  text,
    -- The status of a payout that was not pending when it was created.
    ADD COLUMN created_status text COLLATE "C";

ALTER TABLE payout_states
    -- The number of people who must approve.
    ADD COLUMN approvals_required smallint NOT NULL DEFAULT 0,
    -- The number of times that the approvals began anew. Only those of this round count.
    ADD COLUMN approval_round     integer  NOT NULL DEFAULT 0,
    -- The reasons, separated by spaces.
    ADD COLUMN approval_reasons   text,
    -- The approvals of this round, as a JSON array. The table below has them all.
    ADD COLUMN approvals_given    text,
    -- The digest of what was approved. A claim of anything else sends nothing.
    ADD COLUMN approved_digest    bytea;

ALTER TABLE payout_states
    DROP CONSTRAINT payout_states_status_is_known;
ALTER TABLE payout_states
    ADD CONSTRAINT payout_states_status_is_known CHECK (
        status IN ('awaiting_approval', 'pending', 'processing', 'completed', 'returned', 'failed', 'cancelled'))
        NOT VALID,
    -- What requires approval is nothing but awaiting it, or cancelled, before it has all of it.
    ADD CONSTRAINT payout_states_approvals_are_given CHECK (
        CASE WHEN approvals_required = 0 THEN status <> 'awaiting_approval' AND approved_digest IS NULL
            WHEN status = 'awaiting_approval' THEN approved_digest IS NULL
            ELSE status = 'cancelled' OR octet_length(approved_digest) = 32 END) NOT VALID;
ALTER TABLE payout_states VALIDATE CONSTRAINT payout_states_status_is_known;
ALTER TABLE payout_states VALIDATE CONSTRAINT payout_states_approvals_are_given;

-- Every approval, for ever. A person counts once in a round.
CREATE TABLE payout_approvals (
    payout_id  uuid        NOT NULL,
    round      integer     NOT NULL,
    person     text        NOT NULL,
    -- The name of the API key, and the first of those that it succeeds.
    name       text        NOT NULL,
    api_key_id uuid,
    at         timestamptz NOT NULL,
    -- The digest of the payout as it was approved.
    digest     bytea       NOT NULL,

    CONSTRAINT payout_approvals_pkey PRIMARY KEY (payout_id, round, person),
    CONSTRAINT payout_approvals_digest_is_a_digest CHECK (octet_length(digest) = 32)
);

CREATE FUNCTION payout_approvals_four_eyes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.person = 'open' OR EXISTS (
        SELECT FROM payout_details
        WHERE id = NEW.payout_id
            AND (NEW.person IN (created_person, edited_person) OR (created_person IS NULL AND created_by = NEW.name))
    ) THEN
        RAISE EXCEPTION 'a payout is approved by others than those who created and edited it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER payout_approvals_four_eyes BEFORE INSERT ON payout_approvals
    FOR EACH ROW EXECUTE FUNCTION payout_approvals_four_eyes();

CREATE FUNCTION payout_approvals_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payout_approvals is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER payout_approvals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_approvals
    FOR EACH STATEMENT EXECUTE FUNCTION payout_approvals_refuse_change();

-- Nothing leaves this status with fewer approvals than it requires, unless it is cancelled.
CREATE FUNCTION payout_states_are_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM payout_approvals WHERE payout_id = NEW.id AND round = NEW.approval_round)
        < NEW.approvals_required
    THEN
        RAISE EXCEPTION 'the payout lacks approvals' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER payout_states_are_approved BEFORE UPDATE OF status ON payout_states
    FOR EACH ROW WHEN (OLD.status = 'awaiting_approval' AND NEW.status NOT IN ('awaiting_approval', 'cancelled'))
    EXECUTE FUNCTION payout_states_are_approved();

DROP TRIGGER payout_details_keep_creation ON payout_details;
CREATE TRIGGER payout_details_keep_creation
    BEFORE UPDATE OF id, created_at, created_by, created_in, created_because, created_person, created_status
        OR DELETE OR TRUNCATE ON payout_details
    FOR EACH STATEMENT EXECUTE FUNCTION payout_creation_refuse_change();

DROP VIEW payouts;
CREATE VIEW payouts AS
SELECT
    payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name,
    payout.recipient_name_folded, payout.recipient_details, payout.description, payout.external_id, payout.metadata,
    payout.statement_text, payout.scheduled_at, payout.batch_id, payout.recipient_id, payout.created_by, payout.provider_key, payout.sealed,
    payout.mac, payout.changed_version, payout.created_at, payout.deleted_at,
    state.status, state.needs_review, state.failure_code, state.failure_message, state.failure_reason,
    state.provider, state.provider_reference, state.waiting_for, state.waiting_since, state.completed_at,
    state.returned_at, state.returned_amount, state.recheck_at, payout.created_person, payout.edited_person,
    state.approvals_required, state.approval_round, state.approval_reasons, state.approvals_given,
    state.approved_digest, state.generation, state.claims, state.fence, state.version, state.first_submitted_at,
    state.claimed_at, state.quiet_at, coalesce(state.batch_due_at, state.due_at) AS due_at, state.updated_at
FROM payout_details AS payout JOIN payout_states AS state ON state.id = payout.id;

DROP VIEW payout_trail;
CREATE VIEW payout_trail AS
SELECT
    id AS payout_id, 0::bigint AS sequence, 0::bigint AS generation, 0::bigint AS fence, created_at AS at,
    'created' AS kind, coalesce(created_status, 'pending') AS status, created_by AS actor, created_in AS request_id,
    created_because AS detail
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
