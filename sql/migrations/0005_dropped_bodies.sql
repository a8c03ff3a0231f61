-- Why: bodies go before their jobs do: a request's when every service has it, a result's when it was delivered long
-- enough ago, and all of them when a job is erased. And what became of a result that was put to the caller's own
-- upload-url is remembered.
-- Locks: ACCESS EXCLUSIVE on job, payload and stored_object for a moment each: columns without a default, so that
-- nothing is rewritten or read. It gives up when a lock is not to be had within three seconds; run it again then.

SET LOCAL lock_timeout = '3s';

ALTER TABLE job
    ADD COLUMN uploaded bytea,           -- see model.handed; upload_url is forgotten then
    ADD COLUMN erased_at timestamptz;    -- everything but ids, states and times was removed at somebody's wish
ALTER TABLE payload ADD COLUMN dropped_at timestamptz;  -- the body is not here any more; sha256 stays
ALTER TABLE stored_object ADD COLUMN unwanted_at timestamptz;  -- nobody will ask for it, whatever its age
CREATE INDEX stored_object_unwanted ON stored_object (unwanted_at) WHERE unwanted_at IS NOT NULL;

-- How far a sweep over the jobs, in the order of their ids, has come. Each job is looked at once on the way, and
-- later again, from sweep_later, while there is something left to drop.
CREATE TABLE sweep (
    name text PRIMARY KEY,
    upto uuid NOT NULL
);
INSERT INTO sweep VALUES ('requests', '00000000-0000-0000-0000-000000000000'),
                         ('results', '00000000-0000-0000-0000-000000000000');

CREATE TABLE sweep_later (
    name    text NOT NULL,
    job_id  uuid NOT NULL,
    look_at timestamptz NOT NULL,
    PRIMARY KEY (name, job_id)
);
CREATE INDEX sweep_later_due ON sweep_later (name, look_at);
