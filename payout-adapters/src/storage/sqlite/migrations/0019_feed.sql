-- The event feed. SQLite has one writer at a time, so the numbers of events are in the order of transactions. A creation
-- has no event of its own: it comes after the latest event that was there, and after earlier creations with the same
-- latest event.
--
-- Online but for the two indexes: adding a column rewrites nothing.

ALTER TABLE payout_details ADD COLUMN feed_after INTEGER NOT NULL DEFAULT 0;
-- Zero in rows from before, and in those that an earlier version writes.
ALTER TABLE payout_details ADD COLUMN feed_number INTEGER NOT NULL DEFAULT 0;

-- The version of the payout right after the event; null in rows from before.
ALTER TABLE payout_events ADD COLUMN version INTEGER;
-- Of an edit: the amount before it. So earlier events can be shown with the amount that they had.
ALTER TABLE payout_events ADD COLUMN amount_before TEXT;
ALTER TABLE payout_events ADD COLUMN currency_before TEXT;

CREATE INDEX payout_details_feed ON payout_details (feed_after, feed_number, id) WHERE created_by IS NOT NULL;
CREATE INDEX payout_events_edits ON payout_events (payout_id, sequence) WHERE amount_before IS NOT NULL;

-- A process of an earlier version gives a creation no place.
CREATE TRIGGER payout_details_take_place AFTER INSERT ON payout_details
WHEN NEW.feed_number = 0
BEGIN
    UPDATE payout_details
    SET feed_after = (SELECT coalesce(max(sequence), 0) FROM payout_events),
        feed_number = 1 + (
            SELECT coalesce(max(feed_number), 0) FROM payout_details
            WHERE created_by IS NOT NULL
                AND feed_after = (SELECT coalesce(max(sequence), 0) FROM payout_events)
        )
    WHERE id = NEW.id;
END;

-- The place of a creation is not changed either, once it has one.
CREATE TRIGGER payout_details_refuse_move BEFORE UPDATE OF feed_after, feed_number ON payout_details
WHEN OLD.feed_number <> 0
BEGIN
    SELECT RAISE(ABORT, 'the creation of a payout is not changed');
END;
