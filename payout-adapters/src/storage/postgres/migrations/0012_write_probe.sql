-- One row, written by nobody but the readiness probe, which so finds out whether a write goes through. It locks nothing
-- that is in use.
CREATE TABLE write_probe (
    id smallint    NOT NULL,
    at timestamptz NOT NULL,

    CONSTRAINT write_probe_pkey PRIMARY KEY (id),
    CONSTRAINT write_probe_is_one_row CHECK (id = 1)
);

INSERT INTO write_probe (id, at) VALUES (1, now());
