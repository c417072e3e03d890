-- The books hold every payout, the deleted ones too, in the order of creation; those that are not deleted have theirs.
CREATE INDEX payouts_deleted_by_age ON payouts (created_at, id) WHERE deleted_at IS NOT NULL;
