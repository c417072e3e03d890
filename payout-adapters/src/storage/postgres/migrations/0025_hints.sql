-- Hints that wait for a worker, where the queue is this database (QUEUE_URL=postgres:). A row has the hints of one call,
-- or some of them. It is deleted as soon as a worker takes it, and after half a minute in any case. Unlogged: a crash of
-- the server empties the table, and the sweep finds the payouts.
CREATE UNLOGGED TABLE payout_hints (
    number     bigint GENERATED ALWAYS AS IDENTITY,
    payout_ids uuid[]      NOT NULL,
    traces     text[]      NOT NULL,
    added_at   timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT payout_hints_pkey PRIMARY KEY (number),
    CONSTRAINT payout_hints_traces_of_ids CHECK (cardinality(payout_ids) = cardinality(traces))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000000000);
