-- Why: operators hold endpoints, look jobs up by correlation id, see failed calls one by one, and see rates over time.
-- Locks: ACCESS EXCLUSIVE on endpoint, and on invocation with its partitions, for a moment each: columns without a default,
-- so that nothing is rewritten. SHARE on endpoint and on the job partitions of days to come, which nobody writes to yet,
-- and on audit, for their indexes. It gives up when a lock is not to be had within three seconds; run it again then.

SET LOCAL lock_timeout = '3s';

ALTER TABLE invocation ADD COLUMN history jsonb;  -- failed attempts that were followed by another; null: none

-- A job is found also where it was one of many.
CREATE INDEX audit_jobs ON audit USING gin ((detail -> 'jobs'));

-- Until held_until nothing is sent, whatever the circuit says. The budgets of messages that waited count from its end.
ALTER TABLE endpoint
    ADD COLUMN held_at timestamptz,
    ADD COLUMN held_by text,
    ADD COLUMN held_reason text,
    ADD COLUMN held_until timestamptz;  -- infinity: until an operator resumes it
CREATE INDEX endpoint_held ON endpoint (held_until) WHERE held_until IS NOT NULL;

-- New partitions have it from their start. Those of today and before would keep their writers waiting: there, a look
-- by correlation id reads the days that were asked for.
CREATE INDEX job_correlation ON ONLY job (correlation_id, job_id);
DO $$
DECLARE
    part text;
BEGIN
    FOR part IN
        SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
        WHERE h.inhparent = 'job'::regclass AND to_date(right(c.relname, 8), 'YYYYMMDD') > (now() AT TIME ZONE 'UTC')::date
    LOOP
        EXECUTE format('CREATE INDEX ON %I (correlation_id, job_id)', part);
    END LOOP;
END
$$;

-- What each worker did in a minute, for the charts of operators; waiting and retrying are told by one worker a minute.
CREATE TABLE pulse (
    minute    timestamptz NOT NULL,
    worker    bigint NOT NULL,
    accepted  integer NOT NULL,
    delivered integer NOT NULL,
    silent    integer NOT NULL,  -- attempts at webhooks that are followed by another
    failed    integer NOT NULL,  -- messages that failed for good
    waiting   integer,           -- messages that wait for their first attempt
    retrying  integer,
    PRIMARY KEY (minute, worker)
);

CREATE OR REPLACE VIEW "OasWebhookRetry" AS
SELECT r.job_id, r.service, r.correlation_id, r.route, r.kind, r.status, r.callback_url, r.endpoint, r.message_id,
       r.state, r.reason,
       CASE WHEN r.state <> 'pending' THEN NULL
            WHEN r.worker IS NOT NULL THEN 'being_sent'
            WHEN e.held_until > now() THEN 'endpoint_held'
            WHEN e.state = 'open' THEN 'circuit_open'
            WHEN e.state = 'paused' AND e.open_until > now() THEN 'endpoint_paused'
            WHEN r.deferral IS NOT NULL THEN r.deferral
            WHEN r.next_attempt_at > now() THEN 'backoff'
            ELSE 'turn' END AS waits_for,
       r.retry_count, r.attempts, r.first_failed_at, r.next_attempt_at, r.last_attempt_at, r.last_status, r.last_reason,
       r.history, r.bucket, r.object_key, r.size, r.sha256, r.stored_size, r.stored_sha256, r.content_coding,
       r.redrives, r.created_at, r.finished_at
FROM oas_webhook_retry r LEFT JOIN endpoint e ON e.endpoint = r.endpoint;
