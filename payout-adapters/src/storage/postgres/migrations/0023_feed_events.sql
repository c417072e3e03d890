-- Events of batches, providers and endpoints of webhooks, and the dates that payouts wait for.
--
-- Online: a new table, and columns that are added without a rewrite of a table.

-- The date that the payout waits for right after the event, if it lies ahead; null for every other event.
ALTER TABLE payout_events ADD COLUMN scheduled_at timestamptz;
ALTER TABLE payout_details ADD COLUMN created_scheduled_at timestamptz;

-- An event of something other than a payout, written by the transaction of the change that it tells. The numbers are
-- drawn from those of payout_events, so that no two events of the feed have one place.
CREATE TABLE feed_events (
    feed_key    bigint      NOT NULL DEFAULT payout_feed_key(),
    sequence    bigint      NOT NULL DEFAULT nextval('payout_events_sequence_seq'),
    id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    at          timestamptz NOT NULL DEFAULT now(),
    type        text        COLLATE "C" NOT NULL,
    -- The id of the batch or of the endpoint, or the name of the provider.
    subject     text        COLLATE "C" NOT NULL,
    actor       text        NOT NULL,
    reason      text,
    -- Of a batch: the client's own reference, its payouts, and those that the change was made to.
    external_id text,
    payouts     bigint,
    changed     bigint,

    CONSTRAINT feed_events_pkey PRIMARY KEY (feed_key, sequence)
);
CREATE INDEX feed_events_by_subject ON feed_events (subject, feed_key);

CREATE FUNCTION feed_events_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'feed_events is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER feed_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON feed_events
    FOR EACH STATEMENT EXECUTE FUNCTION feed_events_refuse_change();

-- The date of a creation is not changed either.
DROP TRIGGER payout_details_keep_creation ON payout_details;
CREATE TRIGGER payout_details_keep_creation
    BEFORE UPDATE OF id, created_at, created_by, created_in, created_because, created_person, created_status,
        created_scheduled_at, feed_key OR DELETE OR TRUNCATE
    ON payout_details
    FOR EACH STATEMENT EXECUTE FUNCTION payout_creation_refuse_change();
