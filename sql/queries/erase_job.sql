-- Erase what a job holds but for ids, states and times: bodies, headers, addresses, retries, its idempotency key. One that still
-- runs is left alone, unless it is to be cancelled with it. Its objects become unwanted, and are told, to be removed by whoever
-- erases; they are forgotten by erased.sql. Repeating it is harmless. No row: there is no such job.
-- Locks: job, invocations, retries, deliveries, in that order and each in the order of services.
WITH jl AS MATERIALIZED (
    SELECT job_id, erased_at FROM job WHERE job_id = $1::uuid FOR NO KEY UPDATE
), il AS MATERIALIZED (
    SELECT service, outcome IS NULL AS open FROM invocation
    WHERE job_id = $1::uuid AND (SELECT count(*) FROM jl) = 1 ORDER BY service FOR NO KEY UPDATE
), rl AS MATERIALIZED (
    SELECT service FROM oas_webhook_retry
    WHERE job_id = $1::uuid AND (SELECT count(*) FROM il) >= 0 ORDER BY service FOR UPDATE
), dl AS MATERIALIZED (
    SELECT service, state IN ('open', 'retrying') AS open FROM delivery
    WHERE job_id = $1::uuid AND (SELECT count(*) FROM rl) >= 0 ORDER BY service FOR NO KEY UPDATE
), q AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM il WHERE open) AS calling, EXISTS (SELECT FROM dl WHERE open) AS sending
), ok AS MATERIALIZED (
    SELECT jl.job_id, q.calling OR q.sending AS running FROM jl, q WHERE $2::bool OR NOT (q.calling OR q.sending)
), i AS (
    UPDATE invocation i SET
        call = convert_to(jsonb_build_object('service', i.service, 'service_key', i.service_key, 'url', '', 'completion',
                          convert_from(i.call, 'UTF8')::jsonb ->> 'completion')::text, 'UTF8'),
        outcome = coalesce(i.outcome, 'cancelled'), status = coalesce(i.status, 'failed'),
        last_reason = CASE WHEN i.outcome IS NULL THEN 'cancelled' ELSE i.last_reason END,
        worker = NULL, next_attempt_at = NULL, receiving_until = NULL, finished_at = coalesce(i.finished_at, now())
    FROM ok WHERE i.job_id = $1::uuid
), r AS (
    DELETE FROM oas_webhook_retry r USING ok WHERE r.job_id = $1::uuid
), d AS (
    UPDATE delivery d SET state = 'cancelled', worker = NULL, last_reason = 'cancelled', finished_at = now()
    FROM ok WHERE d.job_id = $1::uuid AND d.state IN ('open', 'retrying')
), p AS (
    DELETE FROM payload p USING ok WHERE p.job_id = $1::uuid
    RETURNING 1
), k AS (
    DELETE FROM idempotency k USING ok WHERE k.job_id = $1::uuid
), l AS (
    DELETE FROM sweep_later l USING ok WHERE l.job_id = $1::uuid
), o AS (
    UPDATE stored_object o SET unwanted_at = coalesce(o.unwanted_at, now()), doomed_at = now()
    FROM ok WHERE o.job_id = $1::uuid
    RETURNING o.object
), j AS (
    UPDATE job j SET callback_url = '', upload_url = NULL, uploaded = NULL, traceparent = NULL, open_services = 0,
                     state = CASE WHEN ok.running THEN 'cancelled' ELSE j.state END
    FROM ok WHERE j.job_id = $1::uuid
)
SELECT jl.erased_at, q.calling, q.sending, ok.job_id IS NOT NULL AS done,
       (SELECT count(*)::int FROM p) AS bodies, (SELECT coalesce(array_agg(object), '{}') FROM o) AS objects
FROM jl CROSS JOIN q LEFT JOIN ok ON true
