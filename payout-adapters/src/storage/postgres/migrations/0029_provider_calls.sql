-- The calls to each provider by minute, of all workers. A worker adds its own every ten seconds; rows that are a day old
-- are deleted.
CREATE TABLE provider_calls (
    minute   timestamptz NOT NULL,
    -- Empty where the program names no provider.
    provider text        NOT NULL COLLATE "C",
    calls    bigint      NOT NULL CHECK (calls >= 0),
    errors   bigint      NOT NULL CHECK (errors >= 0),
    PRIMARY KEY (minute, provider)
);
