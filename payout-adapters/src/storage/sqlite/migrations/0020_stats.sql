-- Counts and sums of payouts by the day of their creation, so that statistics need not read the payouts.
--
-- Nothing is written to the tables of payouts. Workers add the payouts that exist in the background.
--
-- Payouts are added in the order of their creation, a few seconds after it. One that is still open then is noted as
-- open, and added when it is final. A final payout that changes (it came back, it is retried, it is deleted) leaves a
-- note of what was counted. So creates, claims and settlements write nothing for statistics.

CREATE TABLE payout_stats (
    -- Days since 1970.
    day        INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    provider   TEXT    NOT NULL,
    -- The class of the time to pay; -1 for payouts that were not paid.
    time_class INTEGER NOT NULL,
    payouts    INTEGER NOT NULL,
    amount     TEXT    NOT NULL,

    PRIMARY KEY (day, currency, status, provider, time_class)
) STRICT, WITHOUT ROWID;

-- The last payout that was reached, in the order of creation.
CREATE TABLE payout_stats_progress (
    only_row   INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    created_at INTEGER NOT NULL,
    id         BLOB    NOT NULL
) STRICT;
INSERT INTO payout_stats_progress (created_at, id) VALUES (0, zeroblob(16));

-- Payouts that were reached and are not counted in payout_stats.
CREATE TABLE payout_stats_open (
    id BLOB NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Notes of what was counted before a change; without a status: nothing was.
CREATE TABLE payout_stats_notes (
    sequence     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id           BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    currency     TEXT,
    status       TEXT,
    provider     TEXT,
    scheduled_at INTEGER,
    completed_at INTEGER,
    amount       TEXT
) STRICT;
CREATE INDEX payout_stats_notes_by_payout ON payout_stats_notes (id);

-- A final payout changes.
CREATE TRIGGER payout_states_note_stats AFTER UPDATE ON payout_states
WHEN old.status IN ('completed', 'returned', 'failed', 'cancelled') AND old.deleted_at IS NULL AND (
    new.status <> old.status OR new.provider <> old.provider OR new.deleted_at IS NOT NULL
    OR new.completed_at IS NOT old.completed_at)
BEGIN
    INSERT INTO payout_stats_notes (id, created_at, currency, status, provider, scheduled_at, completed_at, amount)
    SELECT old.id, old.created_at, payout.currency, old.status, old.provider, payout.scheduled_at, old.completed_at,
        payout.amount
    FROM payout_details AS payout WHERE payout.id = old.id;
END;

-- A payout is stored behind those that were reached, as by an import.
CREATE TRIGGER payout_states_note_late_stats AFTER INSERT ON payout_states
WHEN (new.created_at, new.id) <= (SELECT created_at, id FROM payout_stats_progress)
BEGIN
    INSERT INTO payout_stats_notes (id, created_at) VALUES (new.id, new.created_at);
END;
