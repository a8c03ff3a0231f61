-- Mark an invocation whose callback is arriving: its deadline waits for some seconds. And what stands in its place: no
-- row is an unknown invocation, a null outcome is an open one, unless it ended just now and was not marked.
WITH u AS (
    UPDATE invocation SET receiving_until = now() + make_interval(secs => $3::float8)
    WHERE job_id = $1::uuid AND service = $2::text AND outcome IS NULL
    RETURNING 1
)
SELECT i.outcome, i.finished_at, p.sha256, EXISTS (SELECT FROM u) AS marked
FROM invocation i LEFT JOIN payload p ON p.job_id = $1::uuid AND p.service = i.service
WHERE i.job_id = $1::uuid AND i.service = $2::text
