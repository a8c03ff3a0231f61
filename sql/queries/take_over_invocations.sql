-- Free invocations whose owner is not alive. An owner is valid only while its worker row lives, so this also finds what
-- a buried worker's late commit inserted; it must run for ever, not once at a burial. The attempt under way may have
-- reached the service. Work that was taken over more than three times is parked: not due, and reported as crashed.
WITH RECURSIVE w (worker) AS (
    (SELECT worker FROM invocation
     WHERE outcome IS NULL AND worker IS NOT NULL AND job_id BETWEEN $1::uuid AND $2::uuid ORDER BY worker LIMIT 1)
    UNION ALL
    SELECT (SELECT i.worker FROM invocation i
            WHERE i.outcome IS NULL AND i.worker IS NOT NULL AND i.worker > w.worker
              AND i.job_id BETWEEN $1::uuid AND $2::uuid ORDER BY i.worker LIMIT 1)
    FROM w WHERE w.worker IS NOT NULL
), gone AS MATERIALIZED (
    SELECT worker FROM w
    WHERE worker IS NOT NULL
      AND NOT EXISTS (SELECT FROM worker v WHERE v.worker_id = w.worker AND v.dead_at IS NULL)
), c AS MATERIALIZED (
    SELECT x.* FROM gone CROSS JOIN LATERAL (
        SELECT job_id, service FROM invocation
        WHERE outcome IS NULL AND worker = gone.worker AND job_id BETWEEN $1::uuid AND $2::uuid
        LIMIT $3::int FOR NO KEY UPDATE SKIP LOCKED) x
)
UPDATE invocation i SET
    worker = NULL, takeovers = i.takeovers + 1, unsure = true,
    next_attempt_at = CASE WHEN i.takeovers < 3 THEN now() END
FROM c WHERE i.job_id = c.job_id AND i.service = c.service AND i.job_id BETWEEN $1::uuid AND $2::uuid
RETURNING 1 AS freed
