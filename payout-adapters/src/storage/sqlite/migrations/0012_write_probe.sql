-- One row, written by nobody but the readiness probe, which so finds out whether a write goes through.
CREATE TABLE write_probe (
    id   INTEGER NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL,
    -- As much as a write needs, after one has failed for want of room.
    room BLOB    NOT NULL,

    CONSTRAINT write_probe_is_one_row CHECK (id = 1)
) STRICT;

INSERT INTO write_probe (id, at, room) VALUES (1, 0, x'');
