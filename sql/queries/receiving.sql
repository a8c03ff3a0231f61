-- Mark an invocation whose callback is arriving: its deadline waits for some seconds. One that broke off marks again, for no
-- seconds and only where its own mark (`$4`) is still there: another may be arriving. And what stands in its place: no row is
-- an unknown invocation, a null outcome is an open one, unless it ended just now and was not marked.
WITH u AS (
    UPDATE invocation SET receiving_until = now() + make_interval(secs => $3::float8)
    WHERE job_id = $1::uuid AND service = $2::text AND outcome IS NULL
      AND ($4::timestamptz IS NULL OR receiving_until = $4::timestamptz)
    RETURNING receiving_until
)
SELECT i.outcome, i.finished_at, p.sha256, (SELECT receiving_until FROM u) AS marked
FROM invocation i LEFT JOIN payload p ON p.job_id = $1::uuid AND p.service = i.service
WHERE i.job_id = $1::uuid AND i.service = $2::text
