-- Every service refused: all invocations end silently, or none does. The job and its idempotency key end with them,
-- so that the caller can repeat the request. Locks: job, then invocations in order.
WITH jl AS MATERIALIZED (
    SELECT job_id FROM job WHERE job_id = $1::uuid AND state = 'open' FOR NO KEY UPDATE
), lk AS MATERIALIZED (
    SELECT outcome IS NULL AND NOT unsure AND worker IS NOT DISTINCT FROM $2::bigint AS refused
    FROM invocation WHERE job_id = $1::uuid AND (SELECT count(*) FROM jl) = 1
    ORDER BY service FOR NO KEY UPDATE
), ok AS MATERIALIZED (
    SELECT coalesce(bool_and(refused), false) AND count(*) = $3::int AS ok FROM lk
), i AS (
    UPDATE invocation SET outcome = 'refused', status = 'failed', worker = NULL, attempts = attempts + 1,
                          last_reason = 'refused', finished_at = now()
    WHERE job_id = $1::uuid AND (SELECT ok FROM ok) RETURNING service, claim
), j AS (
    UPDATE job SET state = 'failed', open_services = 0, failed_services = services_total
    WHERE job_id = $1::uuid AND (SELECT ok FROM ok)
), k AS (
    DELETE FROM idempotency WHERE job_id = $1::uuid AND (SELECT ok FROM ok)
)
SELECT service, claim FROM i
