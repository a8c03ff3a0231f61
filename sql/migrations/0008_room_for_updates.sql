-- Why: a row of invocation or delivery is updated once, soon after it came. Where its page has room for the new version,
-- Postgres logs only what differs; else the whole row again, and a lock before it. Pages of these tables are left half
-- empty for that; they fill up with the new versions, so that the tables do not become larger.
-- Locks: SHARE UPDATE EXCLUSIVE on the partitions that are there: nobody waits for it but maintenance and the making of
-- other partitions.

SET LOCAL lock_timeout = '3s';

CREATE OR REPLACE FUNCTION ledger_add_partition(parent text, day date) RETURNS boolean LANGUAGE plpgsql
SET lock_timeout = '1s' AS $$
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
        part, parent, CASE parent WHEN 'payload' THEN 100 WHEN 'job' THEN 80 ELSE 50 END);
    PERFORM ledger_attach_partition(parent, part);
    RETURN true;
END
$$;

DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent IN ('invocation'::regclass, 'delivery'::regclass) LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', part);
    END LOOP;
END
$$;
