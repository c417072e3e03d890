-- Payments that come back, providers by payout, and payouts that wait for a provider.
--
-- Online but for moments: the columns are added without a rewrite of the table, and the constraints are checked while
-- the payouts are read and written. The two indexes are over few rows.

ALTER TABLE payout_states
    -- The provider that makes the payment; empty where the program names none.
    ADD COLUMN provider        text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN waiting_for     text,
    ADD COLUMN waiting_since   timestamptz,
    ADD COLUMN completed_at    timestamptz,
    ADD COLUMN returned_at     timestamptz,
    ADD COLUMN returned_amount numeric,
    -- The time at which a worker must check whether a completed payment came back.
    ADD COLUMN recheck_at      timestamptz,
    ADD COLUMN failure_reason  text;

ALTER TABLE payout_states
    DROP CONSTRAINT payout_states_status_is_known,
    DROP CONSTRAINT payout_states_failure_is_of_failed;
ALTER TABLE payout_states
    ADD CONSTRAINT payout_states_status_is_known CHECK (
        status IN ('pending', 'processing', 'completed', 'returned', 'failed', 'cancelled')) NOT VALID,
    ADD CONSTRAINT payout_states_failure_is_of_failed CHECK (
        (status IN ('failed', 'returned')) = (failure_code IS NOT NULL)
        AND (failure_code IS NULL) = (failure_message IS NULL)
        AND (failure_reason IS NULL OR failure_code IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT payout_states_return_is_of_returned CHECK (
        (status = 'returned') = (returned_at IS NOT NULL)
        AND (returned_amount IS NULL OR status = 'returned')) NOT VALID,
    ADD CONSTRAINT payout_states_recheck_is_of_completed CHECK (
        recheck_at IS NULL OR status = 'completed') NOT VALID,
    ADD CONSTRAINT payout_states_wait_is_whole CHECK ((waiting_for IS NULL) = (waiting_since IS NULL)) NOT VALID;
ALTER TABLE payout_states VALIDATE CONSTRAINT payout_states_status_is_known;
ALTER TABLE payout_states VALIDATE CONSTRAINT payout_states_failure_is_of_failed;
ALTER TABLE payout_states VALIDATE CONSTRAINT payout_states_return_is_of_returned;
ALTER TABLE payout_states VALIDATE CONSTRAINT payout_states_recheck_is_of_completed;
ALTER TABLE payout_states VALIDATE CONSTRAINT payout_states_wait_is_whole;

-- The details of a typed recipient, as a JSON object of texts; null for a plain account. Where the recipient is
-- encrypted, they are in `sealed`.
ALTER TABLE payout_details ADD COLUMN recipient_details text;
ALTER TABLE payout_details
    ADD CONSTRAINT payout_details_sealed_hides_details CHECK (
        sealed IS NULL OR recipient_details IS NULL) NOT VALID;
ALTER TABLE payout_details VALIDATE CONSTRAINT payout_details_sealed_hides_details;

-- Where providers have names, a worker claims the payouts of one provider at a time, those that have been due the
-- longest. The index without the name stays: it serves everything else, and is the only one where none has a name.
CREATE INDEX payout_states_due_by_provider ON payout_states (provider, due_at)
    WHERE due_at IS NOT NULL AND provider <> '';
CREATE INDEX payout_states_recheck ON payout_states (provider, recheck_at) WHERE recheck_at IS NOT NULL;
-- A provider's notification names a payment by its reference. Only payments that may still change are found.
CREATE INDEX payout_states_by_reference ON payout_states (provider_reference)
    WHERE provider_reference IS NOT NULL AND (recheck_at IS NOT NULL OR status = 'processing');

-- Providers that an operator has paused.
CREATE TABLE paused_providers (
    name      text        NOT NULL PRIMARY KEY,
    paused_at timestamptz NOT NULL,
    paused_by text        NOT NULL,
    reason    text
);

-- Workers that share a provider's rate of calls. A row per worker; old ones are removed by the others.
CREATE TABLE live_workers (
    name    text        NOT NULL PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

DROP VIEW payouts;
CREATE VIEW payouts AS
SELECT
    payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name,
    payout.recipient_name_folded, payout.recipient_details, payout.description, payout.provider_key, payout.sealed,
    payout.mac, payout.changed_version, payout.created_at, payout.deleted_at,
    state.status, state.needs_review, state.failure_code, state.failure_message, state.failure_reason,
    state.provider, state.provider_reference, state.waiting_for, state.waiting_since, state.completed_at,
    state.returned_at, state.returned_amount, state.recheck_at,
    state.generation, state.claims, state.fence, state.version, state.first_submitted_at, state.claimed_at,
    state.quiet_at, state.due_at, state.updated_at
FROM payout_details AS payout JOIN payout_states AS state ON state.id = payout.id;
