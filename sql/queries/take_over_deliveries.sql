-- Free deliveries whose owner is not alive, as take_over_invocations does. A delivery that was taken over more than
-- three times ends as failed: poison must not kill replica after replica.
WITH RECURSIVE w (worker) AS (
    (SELECT worker FROM delivery
     WHERE state = 'open' AND worker IS NOT NULL AND job_id BETWEEN $1::uuid AND $2::uuid ORDER BY worker LIMIT 1)
    UNION ALL
    SELECT (SELECT d.worker FROM delivery d
            WHERE d.state = 'open' AND d.worker IS NOT NULL AND d.worker > w.worker
              AND d.job_id BETWEEN $1::uuid AND $2::uuid ORDER BY d.worker LIMIT 1)
    FROM w WHERE w.worker IS NOT NULL
), gone AS MATERIALIZED (
    SELECT worker FROM w
    WHERE worker IS NOT NULL
      AND NOT EXISTS (SELECT FROM worker v WHERE v.worker_id = w.worker AND v.dead_at IS NULL)
), c AS MATERIALIZED (
    SELECT x.* FROM gone CROSS JOIN LATERAL (
        SELECT job_id, service FROM delivery
        WHERE state = 'open' AND worker = gone.worker AND job_id BETWEEN $1::uuid AND $2::uuid
        LIMIT $3::int FOR NO KEY UPDATE SKIP LOCKED) x
)
UPDATE delivery d SET
    worker = NULL, takeovers = d.takeovers + 1, due_at = now(),
    state = CASE WHEN d.takeovers < 3 THEN 'open' ELSE 'failed' END,
    last_reason = CASE WHEN d.takeovers < 3 THEN d.last_reason ELSE 'crashed_workers' END,
    finished_at = CASE WHEN d.takeovers < 3 THEN NULL ELSE now() END
FROM c WHERE d.job_id = c.job_id AND d.service = c.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
RETURNING 1 AS freed
