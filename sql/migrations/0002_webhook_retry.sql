-- Why: the retry sequence with its ledger, the circuits of endpoints, and bodies that lie in the object store.
-- Locks: ACCESS EXCLUSIVE on job, payload, invocation and delivery with their partitions, for a moment each: columns
-- without a default and constraints NOT VALID, so that nothing is rewritten or read. 0003 validates them without
-- holding anyone up. It gives up when a lock is not to be had within three seconds; run it again then.

SET LOCAL lock_timeout = '3s';

ALTER TABLE job ADD COLUMN upload_url text;            -- where the caller wants the result to be put
ALTER TABLE payload ADD COLUMN object bytea;           -- the stored object that is the body; the body is empty then
ALTER TABLE invocation ADD COLUMN receiving_until timestamptz;  -- a callback is arriving: the deadline waits till then
ALTER TABLE delivery
    DROP CONSTRAINT delivery_state_check,
    DROP CONSTRAINT delivery_ended_is_free,
    ADD CONSTRAINT delivery_state_check CHECK (state IN ('open', 'retrying', 'delivered', 'failed', 'cancelled')) NOT VALID,
    ADD CONSTRAINT delivery_ended_is_free CHECK (
        (state = 'open' AND finished_at IS NULL) OR (state = 'retrying' AND worker IS NULL AND finished_at IS NULL)
        OR (state NOT IN ('open', 'retrying') AND worker IS NULL AND finished_at IS NOT NULL)) NOT VALID;
-- For lists and redrives. New partitions have it from their start; those of now are not worth a lock, and go by themselves.
CREATE INDEX delivery_failed ON ONLY delivery (job_id, service) WHERE state = 'failed';

-- One field of the JSON that describes a stored object.
CREATE FUNCTION ledger_object_field(object bytea, field text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT convert_from(object, 'UTF8')::jsonb ->> field
$$;

-- Add an attempt that ended now to a history of at most 64.
CREATE FUNCTION ledger_history(history jsonb, status integer, reason text, seconds float8) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (CASE WHEN jsonb_array_length(history) >= 64 THEN history - 0 ELSE history END)
           || jsonb_build_array(jsonb_build_object('at', now(), 'status', status, 'reason', reason, 'seconds', seconds))
$$;

-- One row for each message whose first attempt failed in a way that a repetition may cure. Its delivery is 'retrying'
-- for as long as it is 'pending', and ends with it. It is sent by what stands here and in payload and job.
CREATE TABLE oas_webhook_retry (
    job_id          uuid NOT NULL,
    service         text NOT NULL,  -- '' is the aggregate
    correlation_id  text NOT NULL,
    route           text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('direct', 'indirect', 'error', 'aggregate')),
    status          text NOT NULL CHECK (status IN ('succeeded', 'failed', 'partial')),
    callback_url    text NOT NULL,
    endpoint        text NOT NULL,
    services_total  integer NOT NULL,
    traceparent     text,
    message_id      text NOT NULL,
    object          bytea,  -- null while the body lies in payload only
    bucket          text GENERATED ALWAYS AS (ledger_object_field(object, 'bucket')) STORED,
    object_key      text GENERATED ALWAYS AS (ledger_object_field(object, 'key')) STORED,
    size            bigint GENERATED ALWAYS AS (ledger_object_field(object, 'size')::bigint) STORED,
    sha256          text GENERATED ALWAYS AS (ledger_object_field(object, 'sha256')) STORED,
    stored_size     bigint GENERATED ALWAYS AS (ledger_object_field(object, 'stored_size')::bigint) STORED,
    stored_sha256   text GENERATED ALWAYS AS (ledger_object_field(object, 'stored_sha256')) STORED,
    content_coding  text GENERATED ALWAYS AS (ledger_object_field(object, 'coding')) STORED,
    retry_count     integer NOT NULL DEFAULT 0,  -- failed or successful retries of this sequence
    attempts        integer NOT NULL,            -- all attempts of this message, first ones and earlier sequences too
    first_failed_at timestamptz NOT NULL,
    next_attempt_at timestamptz,
    last_attempt_at timestamptz,
    last_status     integer,
    last_reason     text,
    deferral        text,  -- what on our side put the next attempt off
    history         jsonb NOT NULL DEFAULT '[]',
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled')),
    reason          text,  -- why it failed or was cancelled
    worker          bigint,
    claim           integer NOT NULL DEFAULT 0,
    claimed_at      timestamptz,
    takeovers       integer NOT NULL DEFAULT 0,  -- since the last attempt that ended
    redrives        integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    PRIMARY KEY (job_id, service),
    CONSTRAINT retry_ended_is_free CHECK (
        (state = 'pending') = (finished_at IS NULL) AND (state = 'pending') = (next_attempt_at IS NOT NULL)
        AND (state = 'pending' OR worker IS NULL)),
    CONSTRAINT retry_owned_is_claimed CHECK (worker IS NULL OR (claim > 0 AND claimed_at IS NOT NULL)),
    CONSTRAINT retry_end_has_reason CHECK ((state IN ('failed', 'cancelled')) = (reason IS NOT NULL)),
    CONSTRAINT retry_aggregate_is_nameless CHECK ((kind = 'aggregate') = (service = '')),
    CONSTRAINT retry_history_is_bounded CHECK (jsonb_array_length(history) <= 64)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX retry_due ON oas_webhook_retry (endpoint, next_attempt_at) WHERE state = 'pending' AND worker IS NULL;
CREATE INDEX retry_budget ON oas_webhook_retry (endpoint, first_failed_at) WHERE state = 'pending' AND worker IS NULL;
CREATE INDEX retry_owned ON oas_webhook_retry (worker) WHERE state = 'pending' AND worker IS NOT NULL;
CREATE INDEX retry_pending ON oas_webhook_retry (job_id) WHERE state = 'pending';
CREATE INDEX retry_unmoved ON oas_webhook_retry (first_failed_at)
    WHERE state = 'pending' AND object IS NULL AND kind <> 'aggregate';
CREATE INDEX retry_finished ON oas_webhook_retry (finished_at) WHERE state <> 'pending';

-- Endpoints that are or were away. Written when a state changes, never for an attempt.
CREATE TABLE endpoint (
    endpoint     text PRIMARY KEY,
    state        text NOT NULL CHECK (state IN ('closed', 'open', 'paused')),
    reason       text NOT NULL,
    openings     integer NOT NULL DEFAULT 0,  -- in a row, without a success between
    opened_at    timestamptz NOT NULL,        -- the first opening of that row, or the pause
    confirmed_at timestamptz NOT NULL,        -- the last one: until then nothing got through
    open_until   timestamptz NOT NULL,        -- then one probe may be sent; a pause is over then
    probe_worker bigint,
    probe_until  timestamptz,
    closed_at    timestamptz,
    CONSTRAINT endpoint_closed_is_dated CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT endpoint_probe_has_owner CHECK ((probe_worker IS NULL) = (probe_until IS NULL))
);
CREATE INDEX endpoint_away ON endpoint (open_until) WHERE state <> 'closed';
CREATE INDEX endpoint_closed ON endpoint (closed_at) WHERE state = 'closed';

-- What lies in the object store and is known here, for its removal. The service '' is the caller's request.
CREATE TABLE stored_object (
    job_id     uuid NOT NULL,
    service    text NOT NULL,
    object     bytea NOT NULL,
    created_at timestamptz NOT NULL,
    doomed_at  timestamptz,  -- somebody is removing it: nothing may begin to rely on it
    PRIMARY KEY (job_id, service)
);
CREATE INDEX stored_object_age ON stored_object (created_at);

-- The ledger of retries as people read it.
CREATE VIEW "OasWebhookRetry" AS
SELECT r.job_id, r.service, r.correlation_id, r.route, r.kind, r.status, r.callback_url, r.endpoint, r.message_id,
       r.state, r.reason,
       CASE WHEN r.state <> 'pending' THEN NULL
            WHEN r.worker IS NOT NULL THEN 'being_sent'
            WHEN e.state = 'open' THEN 'circuit_open'
            WHEN e.state = 'paused' AND e.open_until > now() THEN 'endpoint_paused'
            WHEN r.deferral IS NOT NULL THEN r.deferral
            WHEN r.next_attempt_at > now() THEN 'backoff'
            ELSE 'turn' END AS waits_for,
       r.retry_count, r.attempts, r.first_failed_at, r.next_attempt_at, r.last_attempt_at, r.last_status, r.last_reason,
       r.history, r.bucket, r.object_key, r.size, r.sha256, r.stored_size, r.stored_sha256, r.content_coding,
       r.redrives, r.created_at, r.finished_at
FROM oas_webhook_retry r LEFT JOIN endpoint e ON e.endpoint = r.endpoint;
