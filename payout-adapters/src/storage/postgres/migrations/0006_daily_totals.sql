-- What each API key has paid out in each currency, on the latest day that it did: for limits by the day. A row is written
-- over day after day, so that there are as many as there are keys and currencies.
CREATE TABLE daily_totals (
    -- Zeros for all who show no key.
    api_key_id uuid             NOT NULL,
    currency   text COLLATE "C" NOT NULL,
    -- Of UTC.
    day        date             NOT NULL,
    total      numeric(22, 4)   NOT NULL,

    CONSTRAINT daily_totals_pkey PRIMARY KEY (api_key_id, currency),
    CONSTRAINT daily_totals_currency_is_a_code CHECK (char_length(currency) = 3),
    CONSTRAINT daily_totals_total_is_not_negative CHECK (total >= 0)
) WITH (
    -- A row is written twice by every batch of payouts: leave room for its later versions on its own page.
    fillfactor = 20
);
