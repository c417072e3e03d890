-- With encryption keys a row carries a MAC over what is paid, so that a row which somebody altered is not paid.
--
-- Online: each ALTER TABLE waits for, and for a moment keeps out, all who use its table.

ALTER TABLE payouts
    ADD COLUMN mac bytea,
    -- The version that the row had when a person last wrote it; the MAC is over it.
    ADD COLUMN changed_version bigint;

-- A text that only the key opens, once every row has a MAC of it: a row without one is refused from then on.
ALTER TABLE sealing_keys ADD COLUMN protected bytea;
