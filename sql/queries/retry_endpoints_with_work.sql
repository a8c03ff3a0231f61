-- Which endpoints have due retries: a skip scan, one index probe for each endpoint, from `cursor` on.
WITH RECURSIVE w AS (
    SELECT 0 AS step, $1::text AS name
    UNION ALL
    SELECT w.step + 1, (
        SELECT endpoint FROM oas_webhook_retry
        WHERE state = 'pending' AND worker IS NULL AND endpoint > w.name
        ORDER BY endpoint LIMIT 1)
    FROM w WHERE w.name IS NOT NULL AND w.step < $2::int
)
SELECT w.name, (
    SELECT next_attempt_at FROM oas_webhook_retry
    WHERE state = 'pending' AND worker IS NULL AND endpoint = w.name
    ORDER BY next_attempt_at LIMIT 1) <= now() AS due
FROM w WHERE w.step > 0 AND w.name IS NOT NULL ORDER BY w.step
