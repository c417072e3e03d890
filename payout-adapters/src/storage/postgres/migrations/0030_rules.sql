-- The operator's rules for payouts, as the latest server had them: approvals, likely duplicates and spending limits, one
-- setting a line. A command on the same database compares them with its own.
CREATE TABLE operator_rules (
    is_only    boolean     PRIMARY KEY DEFAULT true CHECK (is_only),
    rules      text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
