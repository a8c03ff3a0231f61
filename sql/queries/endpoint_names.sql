-- Endpoints with something that waits, or of which something is known, by name after a cursor: skip scans, one index
-- probe for each endpoint.
WITH RECURSIVE r AS (
    SELECT 0 AS step, $3::text AS name
    UNION ALL
    SELECT r.step + 1, (
        SELECT endpoint FROM oas_webhook_retry
        WHERE state = 'pending' AND worker IS NULL AND endpoint > r.name ORDER BY endpoint LIMIT 1)
    FROM r WHERE r.name IS NOT NULL AND r.step < $4::int
), d AS (
    SELECT 0 AS step, $3::text AS name
    UNION ALL
    SELECT d.step + 1, (
        SELECT endpoint FROM delivery
        WHERE state = 'open' AND worker IS NULL AND endpoint > d.name AND job_id BETWEEN $1::uuid AND $2::uuid
        ORDER BY endpoint LIMIT 1)
    FROM d WHERE d.name IS NOT NULL AND d.step < $4::int
), e AS (
    SELECT endpoint AS name FROM endpoint WHERE endpoint > $3::text ORDER BY endpoint LIMIT $4::int
)
SELECT name FROM r WHERE step > 0 AND name IS NOT NULL
UNION SELECT name FROM d WHERE step > 0 AND name IS NOT NULL
UNION SELECT name FROM e
ORDER BY name LIMIT $4::int
