-- Why: what operators did to jobs and messages, by whom and when, for as long as retention.audit.
-- Locks: none that anyone could wait for; the table is new.

CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    actor  text NOT NULL,   -- the name of a token, or of a user at a terminal
    role   text NOT NULL,   -- the role that allowed it; 'cli' at a terminal
    action text NOT NULL,   -- redrive, cancel, pause, erase ...
    target text NOT NULL,   -- a job, an endpoint, or how many were chosen by what
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON audit (at);
