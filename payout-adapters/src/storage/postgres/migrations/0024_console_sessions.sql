-- Sessions of people who signed in to the console. Those that have ended stay, as the record of sign-ins.

CREATE TABLE console_sessions (
    -- SHA-256 of the token.
    digest     bytea       NOT NULL,
    -- The digest of the API key's token that opened it: the session ends once that token is no longer accepted.
    key_digest bytea       NOT NULL,
    -- The name of the API key.
    signed_by  text COLLATE "C" NOT NULL,
    began_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,

    CONSTRAINT console_sessions_pkey PRIMARY KEY (digest),
    CONSTRAINT console_sessions_digests_are_digests CHECK (octet_length(digest) = 32 AND octet_length(key_digest) = 32),
    CONSTRAINT console_sessions_name_fits CHECK (char_length(signed_by) BETWEEN 1 AND 128)
);
