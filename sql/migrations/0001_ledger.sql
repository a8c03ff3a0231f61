-- Why: the ledger. Jobs, their bodies, the calls of their services and the messages to their webhooks.
-- Locks: none that anyone could wait for; every table is new.
--
-- job, payload, invocation and delivery are partitioned by day on job_id, a UUIDv7 made from this database's clock.
-- There is no DEFAULT partition and no foreign key between partitioned tables: both make adding and removing a
-- partition wait for everybody. State rows carry no bodies, so that updates stay narrow.

CREATE TABLE worker (
    worker_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host       text NOT NULL,
    pid        integer NOT NULL,
    beat       bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    renewed_at timestamptz NOT NULL DEFAULT now(),  -- for people; death is told by an unchanged beat
    dead_at    timestamptz
);
CREATE INDEX worker_alive ON worker (worker_id) WHERE dead_at IS NULL;

CREATE TABLE idempotency (
    scope       text NOT NULL,
    key         text NOT NULL,
    job_id      uuid NOT NULL,
    fingerprint bytea NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_job ON idempotency (job_id);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE lease (
    name   text PRIMARY KEY,
    holder bigint NOT NULL,
    until  timestamptz NOT NULL
);

CREATE TABLE job (
    job_id          uuid PRIMARY KEY,
    correlation_id  text NOT NULL,
    application     text NOT NULL,
    route           text NOT NULL,
    method          text NOT NULL,
    callback_url    text NOT NULL,
    endpoint        text NOT NULL,
    gather          text NOT NULL CHECK (gather IN ('each', 'all')),
    services_total  integer NOT NULL,
    open_services   integer NOT NULL,            -- counted down for gather 'all' only
    failed_services integer NOT NULL DEFAULT 0,  -- counted up likewise
    state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'failed', 'cancelled')),
    traceparent     text,
    links_base      text NOT NULL,
    created_at      timestamptz NOT NULL,
    deadline_at     timestamptz NOT NULL,
    CONSTRAINT job_counts CHECK (open_services BETWEEN 0 AND services_total
                                 AND failed_services BETWEEN 0 AND services_total),
    CONSTRAINT job_failed_is_over CHECK (state <> 'failed' OR open_services = 0)
) PARTITION BY RANGE (job_id);

-- Insert only. The service '' is the caller's request.
CREATE TABLE payload (
    job_id  uuid NOT NULL,
    service text NOT NULL,
    headers bytea NOT NULL,
    body    bytea NOT NULL,
    sha256  bytea,
    PRIMARY KEY (job_id, service)
) PARTITION BY RANGE (job_id);

CREATE TABLE invocation (
    job_id          uuid NOT NULL,
    service         text NOT NULL CHECK (service <> ''),
    service_key     text NOT NULL,
    call            bytea NOT NULL,
    worker          bigint,
    claim           integer NOT NULL DEFAULT 0,
    claimed_at      timestamptz,
    takeovers       integer NOT NULL DEFAULT 0,
    attempts        integer NOT NULL DEFAULT 0,
    unsure          boolean NOT NULL DEFAULT false,  -- an attempt may have reached the service
    next_attempt_at timestamptz,
    acknowledged_at timestamptz,
    deadline_at     timestamptz NOT NULL,
    outcome         text CHECK (outcome IN ('result', 'refused', 'error', 'deadline', 'cancelled', 'acknowledged')),
    status          text CHECK (status IN ('succeeded', 'failed')),
    kind            text CHECK (kind IN ('direct', 'indirect', 'error')),
    last_status     integer,
    last_reason     text,
    finished_at     timestamptz,
    PRIMARY KEY (job_id, service),
    CONSTRAINT invocation_ended_is_free CHECK (
        outcome IS NULL OR (worker IS NULL AND next_attempt_at IS NULL AND status IS NOT NULL AND finished_at IS NOT NULL)),
    CONSTRAINT invocation_open_is_unfinished CHECK (outcome IS NOT NULL OR (status IS NULL AND finished_at IS NULL)),
    CONSTRAINT invocation_owned_is_claimed CHECK (
        worker IS NULL OR (claim > 0 AND claimed_at IS NOT NULL AND next_attempt_at IS NULL))
) PARTITION BY RANGE (job_id);
CREATE INDEX invocation_deadline ON invocation (deadline_at) WHERE outcome IS NULL;
CREATE INDEX invocation_owned ON invocation (worker) WHERE outcome IS NULL AND worker IS NOT NULL;
CREATE INDEX invocation_due ON invocation (service_key, next_attempt_at)
    WHERE outcome IS NULL AND worker IS NULL AND next_attempt_at IS NOT NULL;
CREATE INDEX invocation_parked ON invocation (takeovers) WHERE outcome IS NULL AND takeovers > 3;

CREATE TABLE delivery (
    job_id      uuid NOT NULL,
    service     text NOT NULL,  -- '' is the aggregate
    kind        text NOT NULL CHECK (kind IN ('direct', 'indirect', 'error', 'aggregate')),
    status      text NOT NULL CHECK (status IN ('succeeded', 'failed', 'partial')),
    endpoint    text NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'delivered', 'failed', 'cancelled')),
    worker      bigint,
    claim       integer NOT NULL DEFAULT 0,
    claimed_at  timestamptz,
    takeovers   integer NOT NULL DEFAULT 0,
    attempts    integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL,
    last_status integer,
    last_reason text,
    created_at  timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (job_id, service),
    CONSTRAINT delivery_ended_is_free CHECK (
        (state = 'open' AND finished_at IS NULL) OR (state <> 'open' AND worker IS NULL AND finished_at IS NOT NULL)),
    CONSTRAINT delivery_owned_is_claimed CHECK (worker IS NULL OR (claim > 0 AND claimed_at IS NOT NULL)),
    CONSTRAINT delivery_aggregate_is_nameless CHECK ((kind = 'aggregate') = (service = ''))
) PARTITION BY RANGE (job_id);
CREATE INDEX delivery_owned ON delivery (worker) WHERE state = 'open' AND worker IS NOT NULL;
CREATE INDEX delivery_due ON delivery (endpoint, due_at) WHERE state = 'open' AND worker IS NULL;

-- The least UUIDv7 of an instant: RFC 9562, section 5.7 puts the milliseconds into the first 48 bits.
CREATE FUNCTION ledger_id_floor(instant timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Attach a day's table; the day is the end of its name.
CREATE FUNCTION ledger_attach_partition(parent text, part text) RETURNS void LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    day date := to_date(right(part, 8), 'YYYYMMDD');
BEGIN
    EXECUTE format(
        'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part,
        ledger_id_floor(day::timestamp AT TIME ZONE 'UTC'), ledger_id_floor((day + 1)::timestamp AT TIME ZONE 'UTC'));
END
$$;

-- Make one day's partition. LIKE and ATTACH take no lock that stops readers or writers of the parent, as PARTITION OF
-- would; the new table is empty, so that ATTACH has nothing to scan. Storage settings do not travel with LIKE.
CREATE FUNCTION ledger_add_partition(parent text, day date) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    part text := parent || '_p' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(part) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('sidecar partitions'));
    -- Asked of the table: the name cache does not hear of what was committed while the lock was awaited.
    IF EXISTS (SELECT FROM pg_class c JOIN pg_class p ON p.relnamespace = c.relnamespace
               WHERE c.relname = part AND p.oid = parent::regclass) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I (LIKE %I INCLUDING ALL) WITH (fillfactor = %s, autovacuum_vacuum_scale_factor = 0.01,'
        ' autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02)',
        part, parent, CASE parent WHEN 'payload' THEN 100 ELSE 80 END);
    PERFORM ledger_attach_partition(parent, part);
    RETURN true;
END
$$;

-- The least job_id that open work can have: scans start there and touch no older partition. Work is only ever added
-- to new jobs or to open ones, so the answer stays right until the next one. A stale statistic must not turn the
-- question into a sequential scan.
CREATE FUNCTION ledger_open_since() RETURNS uuid LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    part record;
    found boolean;
BEGIN
    FOR part IN
        SELECT c.relname, n.nspname, h.inhparent::regclass::text AS parent,
               to_date(right(c.relname, 8), 'YYYYMMDD') AS day
        FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE h.inhparent IN ('invocation'::regclass, 'delivery'::regclass) AND NOT h.inhdetachpending
        ORDER BY right(c.relname, 8)
    LOOP
        EXECUTE format(
            CASE part.parent
                WHEN 'invocation' THEN 'SELECT EXISTS (SELECT FROM %1$I.%2$I WHERE outcome IS NULL)'
                ELSE 'SELECT EXISTS (SELECT FROM %1$I.%2$I WHERE state = ''open'' AND worker IS NULL)'
                     ' OR EXISTS (SELECT FROM %1$I.%2$I WHERE state = ''open'' AND worker IS NOT NULL)'
            END, part.nspname, part.relname)
        INTO found;
        IF found THEN
            RETURN least(ledger_id_floor(part.day::timestamp AT TIME ZONE 'UTC'), ledger_id_floor(now() - interval '1 hour'));
        END IF;
    END LOOP;
    RETURN ledger_id_floor(now() - interval '1 hour');
END
$$;
