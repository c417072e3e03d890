-- The deliveries of a payout's events, as operators look for them.
CREATE INDEX webhook_deliveries_by_payout ON webhook_deliveries (payout_id) WHERE payout_id IS NOT NULL;
