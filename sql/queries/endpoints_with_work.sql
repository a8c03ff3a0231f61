-- Which endpoints have due deliveries: a skip scan, one index probe for each endpoint, from `cursor` on.
WITH RECURSIVE w AS (
    SELECT 0 AS step, $3::text AS name
    UNION ALL
    SELECT w.step + 1, (
        SELECT endpoint FROM delivery
        WHERE state = 'open' AND worker IS NULL AND endpoint > w.name AND job_id BETWEEN $1::uuid AND $2::uuid
        ORDER BY endpoint LIMIT 1)
    FROM w WHERE w.name IS NOT NULL AND w.step < $4::int
)
SELECT w.name, (
    SELECT due_at FROM delivery
    WHERE state = 'open' AND worker IS NULL AND endpoint = w.name AND job_id BETWEEN $1::uuid AND $2::uuid
    ORDER BY due_at LIMIT 1) <= now() AS due
FROM w WHERE w.step > 0 AND w.name IS NOT NULL ORDER BY w.step
