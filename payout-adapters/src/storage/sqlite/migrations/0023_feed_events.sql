-- Events of batches, providers and endpoints of webhooks, and the dates that payouts wait for.
--
-- Online: a new table, and columns that are added without a rewrite of a table.

-- The date that the payout waits for right after the event, if it lies ahead; null for every other event.
ALTER TABLE payout_events ADD COLUMN scheduled_at INTEGER;
ALTER TABLE payout_details ADD COLUMN created_scheduled_at INTEGER;

-- An event of something other than a payout, written by the transaction of the change that it tells. It has a place among
-- the creations: after the latest event that was there, with a number of its own.
CREATE TABLE feed_events (
    feed_after  INTEGER NOT NULL,
    feed_number INTEGER NOT NULL,
    id          BLOB    NOT NULL DEFAULT (randomblob(16)),
    at          INTEGER NOT NULL,
    type        TEXT    NOT NULL,
    -- The id of the batch or of the endpoint, or the name of the provider.
    subject     TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    reason      TEXT,
    -- Of a batch: the client's own reference, its payouts, and those that the change was made to.
    external_id TEXT,
    payouts     INTEGER,
    changed     INTEGER,

    CONSTRAINT feed_events_pkey PRIMARY KEY (feed_after, feed_number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER feed_events_refuse_update BEFORE UPDATE ON feed_events
BEGIN
    SELECT RAISE(ABORT, 'feed_events is append-only');
END;

CREATE TRIGGER feed_events_refuse_delete BEFORE DELETE ON feed_events
BEGIN
    SELECT RAISE(ABORT, 'feed_events is append-only');
END;

-- INSERT OR REPLACE removes the row that stands in its way without a word to the triggers of removals.
CREATE TRIGGER feed_events_refuse_replace BEFORE INSERT ON feed_events
WHEN EXISTS (
    SELECT 1 FROM feed_events WHERE feed_after = NEW.feed_after AND feed_number = NEW.feed_number
)
BEGIN
    SELECT RAISE(ABORT, 'feed_events is append-only');
END;

-- A process of an earlier version gives a creation no place. It comes after these events too.
DROP TRIGGER payout_details_take_place;
CREATE TRIGGER payout_details_take_place AFTER INSERT ON payout_details
WHEN NEW.feed_number = 0
BEGIN
    UPDATE payout_details
    SET feed_after = (SELECT coalesce(max(sequence), 0) FROM payout_events),
        feed_number = 1 + max(
            coalesce((
                SELECT max(feed_number) FROM payout_details
                WHERE created_by IS NOT NULL
                    AND feed_after = (SELECT coalesce(max(sequence), 0) FROM payout_events)
            ), 0),
            coalesce((
                SELECT max(feed_number) FROM feed_events
                WHERE feed_after = (SELECT coalesce(max(sequence), 0) FROM payout_events)
            ), 0)
        )
    WHERE id = NEW.id;
END;

-- The date of a creation is not changed either.
DROP TRIGGER payout_details_refuse_update;
CREATE TRIGGER payout_details_refuse_update
BEFORE UPDATE OF id, created_at, created_by, created_in, created_because, created_person, created_status,
    created_scheduled_at ON payout_details
BEGIN
    SELECT RAISE(ABORT, 'the creation of a payout is not changed');
END;
