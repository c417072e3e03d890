-- Counts and sums of payouts by the day of their creation, so that statistics need not read the payouts.
--
-- Online: nothing is written to the tables of payouts. Workers add the payouts that exist in the background.
--
-- Payouts are added in the order of their creation, a few seconds after it. One that is still open then is noted as
-- open, and added when it is final. A final payout that changes (it came back, it is retried, it is deleted) leaves a
-- note of what was counted. So creates, claims and settlements write nothing for statistics.

CREATE TABLE payout_stats (
    day        date     NOT NULL,
    currency   text COLLATE "C" NOT NULL,
    status     text COLLATE "C" NOT NULL,
    provider   text COLLATE "C" NOT NULL,
    -- The class of the time to pay; -1 for payouts that were not paid.
    time_class smallint NOT NULL,
    payouts    bigint   NOT NULL,
    amount     numeric  NOT NULL,

    CONSTRAINT payout_stats_pkey PRIMARY KEY (day, currency, status, provider, time_class)
);

-- The last payout that was reached, in the order of creation.
CREATE TABLE payout_stats_progress (
    only_row   boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    created_at timestamptz NOT NULL,
    id         uuid        NOT NULL
);
INSERT INTO payout_stats_progress (created_at, id)
VALUES ('1970-01-01 00:00:00Z', '00000000-0000-0000-0000-000000000000');

-- Payouts that were reached and are not counted in payout_stats.
CREATE TABLE payout_stats_open (
    id uuid NOT NULL PRIMARY KEY
);

-- Notes of what was counted before a change; without a status: nothing was.
CREATE TABLE payout_stats_notes (
    sequence   bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         uuid        NOT NULL,
    created_at timestamptz NOT NULL,
    currency   text COLLATE "C",
    status     text COLLATE "C",
    provider   text COLLATE "C",
    time_class smallint,
    amount     numeric
);
CREATE INDEX payout_stats_notes_by_payout ON payout_stats_notes (id);

CREATE FUNCTION payout_time_class(
    status text, created_at timestamptz, scheduled_at timestamptz, completed_at timestamptz
) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN status IN ('completed', 'returned') AND completed_at IS NOT NULL THEN
        floor(ln(greatest(extract(epoch FROM completed_at - greatest(created_at, scheduled_at)) * 1000, 1)::float8)
            / ln(1.2::float8))
        ELSE -1 END::smallint
$$;

CREATE FUNCTION payout_stats_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO payout_stats_notes (id, created_at) VALUES (NEW.id, NEW.created_at);
    ELSE
        INSERT INTO payout_stats_notes (id, created_at, currency, status, provider, time_class, amount)
        SELECT OLD.id, OLD.created_at, payout.currency, OLD.status, OLD.provider,
            payout_time_class(OLD.status, OLD.created_at, payout.scheduled_at, OLD.completed_at), payout.amount
        FROM payout_details AS payout WHERE payout.id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;

-- A final payout changes.
CREATE TRIGGER payout_states_note_stats AFTER UPDATE ON payout_states FOR EACH ROW
WHEN (OLD.status IN ('completed', 'returned', 'failed', 'cancelled') AND OLD.deleted_at IS NULL AND (
    NEW.status <> OLD.status OR NEW.provider <> OLD.provider OR NEW.deleted_at IS NOT NULL
    OR NEW.completed_at IS DISTINCT FROM OLD.completed_at))
EXECUTE FUNCTION payout_stats_note();

-- A payout is stored behind those that were reached: an import, or a create that took long.
CREATE TRIGGER payout_states_note_late_stats AFTER INSERT ON payout_states FOR EACH ROW
WHEN (NEW.created_at < clock_timestamp() - interval '5 seconds')
EXECUTE FUNCTION payout_stats_note();
