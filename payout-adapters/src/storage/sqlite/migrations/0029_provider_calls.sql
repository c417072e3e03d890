-- The calls to each provider by minute, of all workers. A worker adds its own every ten seconds; rows that are a day old
-- are deleted.
CREATE TABLE provider_calls (
    minute   INTEGER NOT NULL,
    -- Empty where the program names no provider.
    provider TEXT    NOT NULL,
    calls    INTEGER NOT NULL CHECK (calls >= 0),
    errors   INTEGER NOT NULL CHECK (errors >= 0),
    PRIMARY KEY (minute, provider)
) STRICT, WITHOUT ROWID;
