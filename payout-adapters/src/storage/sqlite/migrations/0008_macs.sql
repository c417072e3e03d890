-- With encryption keys a row carries a MAC over what is paid, so that a row which somebody altered is not paid.

ALTER TABLE payouts ADD COLUMN mac BLOB;
-- The version that the row had when a person last wrote it; the MAC is over it.
ALTER TABLE payouts ADD COLUMN changed_version INTEGER;

-- A text that only the key opens, once every row has a MAC of it: a row without one is refused from then on.
ALTER TABLE sealing_keys ADD COLUMN protected BLOB;
