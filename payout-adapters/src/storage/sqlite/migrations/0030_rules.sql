-- The operator's rules for payouts, as the latest server had them: approvals, likely duplicates and spending limits, one
-- setting a line. A command on the same database compares them with its own.
CREATE TABLE operator_rules (
    is_only    INTEGER PRIMARY KEY CHECK (is_only = 1),
    rules      TEXT    NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
