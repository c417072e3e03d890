-- A provider's notification names a payment by its key, which begins with this base where a client sent an idempotency
-- key or the payout came in a batch.
CREATE INDEX payout_details_by_provider_key ON payout_details (provider_key) WHERE provider_key IS NOT NULL;
