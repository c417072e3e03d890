-- What each API key has paid out in each currency, on the latest day that it did: for limits by the day. A row is written
-- over day after day, so that there are as many as there are keys and currencies.
CREATE TABLE daily_totals (
    -- Zeros for all who show no key.
    api_key_id BLOB NOT NULL,
    currency   TEXT NOT NULL,
    -- Of UTC: 2026-11-30.
    day        TEXT NOT NULL,
    -- Decimal digits: no number type of SQLite holds 22 of them exactly.
    total      TEXT NOT NULL,

    CONSTRAINT daily_totals_pkey PRIMARY KEY (api_key_id, currency),
    CONSTRAINT daily_totals_api_key_id_is_a_uuid CHECK (length(api_key_id) = 16),
    CONSTRAINT daily_totals_currency_is_a_code CHECK (length(currency) = 3),
    CONSTRAINT daily_totals_day_is_a_day CHECK (day IS date(day)),
    CONSTRAINT daily_totals_total_is_not_negative CHECK (total GLOB '[0-9]*' AND total NOT GLOB '*[^0-9.]*')
) STRICT, WITHOUT ROWID;
