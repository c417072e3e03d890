-- Batches whose completion the event feed has not told.
--
-- Online: columns that are added without a rewrite of a table.

-- True until the feed has told that every payout of the batch is finished, and again after a retry. Of the batches that
-- were finished before this schema nothing is told.
ALTER TABLE payout_batches ADD COLUMN is_open INTEGER NOT NULL DEFAULT 1
    CONSTRAINT payout_batches_is_open_is_boolean CHECK (is_open IN (0, 1));
UPDATE payout_batches SET is_open = 0
WHERE NOT EXISTS (
    SELECT 1 FROM payout_states AS state
    WHERE state.deleted_at IS NULL AND state.status IN ('awaiting_approval', 'pending', 'processing')
        AND state.created_at = payout_batches.created_at AND state.batch_id = payout_batches.id);
CREATE INDEX payout_batches_open ON payout_batches (created_at, id) WHERE is_open;

-- Of a completed batch: its payouts by status, as a JSON object.
ALTER TABLE feed_events ADD COLUMN finished TEXT;

-- A finished payout of a batch is retried, by whatever version of the program.
CREATE TRIGGER payout_states_open_batch_again AFTER UPDATE OF status ON payout_states
WHEN NEW.batch_id IS NOT NULL
    AND OLD.status IN ('completed', 'returned', 'failed', 'cancelled')
    AND NEW.status NOT IN ('completed', 'returned', 'failed', 'cancelled')
BEGIN
    UPDATE payout_batches SET is_open = 1 WHERE id = NEW.batch_id AND NOT is_open;
END;
