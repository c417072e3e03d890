-- Sessions of people who signed in to the console. Those that have ended stay, as the record of sign-ins.

CREATE TABLE console_sessions (
    -- SHA-256 of the token.
    digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    -- The digest of the API key's token that opened it: the session ends once that token is no longer accepted.
    key_digest BLOB    NOT NULL CHECK (length(key_digest) = 32),
    -- The name of the API key.
    signed_by  TEXT    NOT NULL CHECK (length(signed_by) BETWEEN 1 AND 128),
    began_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT, WITHOUT ROWID;
