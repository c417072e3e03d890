-- Batches whose completion the event feed has not told.
--
-- Online but for moments: the columns are added without a rewrite of a table, and payout_batches has few rows.

-- True until the feed has told that every payout of the batch is finished, and again after a retry. Of the batches that
-- were finished before this schema nothing is told.
ALTER TABLE payout_batches ADD COLUMN is_open boolean NOT NULL DEFAULT true;
UPDATE payout_batches AS batch SET is_open = false
WHERE NOT EXISTS (
    SELECT FROM payout_states
    WHERE deleted_at IS NULL AND status IN ('awaiting_approval', 'pending', 'processing')
        AND created_at = batch.created_at AND batch_id = batch.id);
CREATE INDEX payout_batches_open ON payout_batches (created_at, id) WHERE is_open;

-- Of a completed batch: its payouts by status, as a JSON object.
ALTER TABLE feed_events ADD COLUMN finished text;

-- A finished payout of a batch is retried, by whatever version of the program. The lock on the batch excludes the
-- transaction that tells its completion, and no other retry: one of the two sees what the other has done.
CREATE FUNCTION payout_batches_open_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM payout_batches WHERE id = NEW.batch_id FOR KEY SHARE;
    UPDATE payout_batches SET is_open = true WHERE id = NEW.batch_id AND NOT is_open;
    RETURN NULL;
END
$$;

-- The condition is false for every claim and settlement, and for every payout without a batch.
CREATE TRIGGER payout_states_open_batch_again AFTER UPDATE OF status ON payout_states FOR EACH ROW
WHEN (NEW.batch_id IS NOT NULL
    AND OLD.status IN ('completed', 'returned', 'failed', 'cancelled')
    AND NEW.status NOT IN ('completed', 'returned', 'failed', 'cancelled'))
EXECUTE FUNCTION payout_batches_open_again();
