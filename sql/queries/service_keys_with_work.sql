-- Which services have due invocations: a skip scan, one index probe for each service, from `cursor` on.
WITH RECURSIVE w AS (
    SELECT 0 AS step, $3::text AS name
    UNION ALL
    SELECT w.step + 1, (
        SELECT service_key FROM invocation
        WHERE outcome IS NULL AND worker IS NULL AND next_attempt_at IS NOT NULL AND service_key > w.name
          AND job_id BETWEEN $1::uuid AND $2::uuid
        ORDER BY service_key LIMIT 1)
    FROM w WHERE w.name IS NOT NULL AND w.step < $4::int
)
SELECT w.name, (
    SELECT next_attempt_at FROM invocation
    WHERE outcome IS NULL AND worker IS NULL AND next_attempt_at IS NOT NULL AND service_key = w.name
      AND job_id BETWEEN $1::uuid AND $2::uuid
    ORDER BY next_attempt_at LIMIT 1) <= now() AS due
FROM w WHERE w.step > 0 AND w.name IS NOT NULL ORDER BY w.step
