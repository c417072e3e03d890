-- The event feed: each event gets a key in the order of transactions.
--
-- The columns are added without a rewrite of a table. The indexes are built while payouts and events are read, and not
-- written: docs/upgrades.md says for how long.
--
-- The key is the number of the transaction that writes the event. A reader shows only events whose key is below the
-- number of the oldest transaction that still runs. A transaction that commits later has a greater number, so nothing
-- ever appears before what was shown. An event's key is never smaller than those of the same payout's earlier events,
-- although transactions may lock a payout in another order than that of their numbers.

-- A number that is added to those of transactions. It is zero until the database is restored into another server, whose
-- numbers may be smaller: the program then replaces this function with one that returns a greater number. It is a
-- function and no row of a table, so that statements contain the number as a constant. It is not IMMUTABLE, so that
-- prepared statements are planned again when it is replaced.
CREATE FUNCTION payout_feed_offset() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    RETURN 0::bigint;

-- The key of events that the current transaction writes. txid_current is pg_current_xact_id as a bigint: the detour by a
-- text would be taken for every row.
CREATE FUNCTION payout_feed_key() RETURNS bigint LANGUAGE sql STABLE
    RETURN txid_current() + payout_feed_offset();

-- The key below which no event can appear any more. Transactions of all databases of the server count.
CREATE FUNCTION payout_feed_horizon() RETURNS bigint LANGUAGE sql STABLE
    RETURN pg_snapshot_xmin(pg_current_snapshot())::text::bigint + payout_feed_offset();

-- Rows from before have the key 0, and so come first: the creations by their ids, and then the events by their numbers.
ALTER TABLE payout_events
    ADD COLUMN feed_key bigint NOT NULL DEFAULT 0,
    -- The version of the payout right after the event; null in rows from before.
    ADD COLUMN version bigint,
    -- Of an edit: the amount before it. So earlier events can be shown with the amount that they had.
    ADD COLUMN amount_before numeric(22, 4),
    ADD COLUMN currency_before text COLLATE "C";
ALTER TABLE payout_details ADD COLUMN feed_key bigint NOT NULL DEFAULT 0;
-- The greatest key of the payout's events.
ALTER TABLE payout_states ADD COLUMN feed_key bigint NOT NULL DEFAULT 0;

ALTER TABLE payout_events ALTER COLUMN feed_key SET DEFAULT payout_feed_key();
ALTER TABLE payout_details ALTER COLUMN feed_key SET DEFAULT payout_feed_key();
ALTER TABLE payout_states ALTER COLUMN feed_key SET DEFAULT payout_feed_key();

CREATE INDEX payout_events_feed ON payout_events (feed_key, sequence);
CREATE INDEX payout_events_edits ON payout_events (payout_id, sequence) WHERE amount_before IS NOT NULL;
CREATE INDEX payout_details_feed ON payout_details (feed_key, id) WHERE created_by IS NOT NULL;

-- The place of a creation in the feed is not changed either.
DROP TRIGGER payout_details_keep_creation ON payout_details;
CREATE TRIGGER payout_details_keep_creation
    BEFORE UPDATE OF id, created_at, created_by, created_in, created_because, created_person, created_status, feed_key
        OR DELETE OR TRUNCATE
    ON payout_details
    FOR EACH STATEMENT EXECUTE FUNCTION payout_creation_refuse_change();
