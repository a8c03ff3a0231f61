-- Free retries whose owner is not alive, as take_over_invocations does. A retry that was taken over more than three times
-- without an attempt that ended fails, and its delivery with it.
WITH RECURSIVE w (worker) AS (
    (SELECT worker FROM oas_webhook_retry WHERE state = 'pending' AND worker IS NOT NULL ORDER BY worker LIMIT 1)
    UNION ALL
    SELECT (SELECT r.worker FROM oas_webhook_retry r
            WHERE r.state = 'pending' AND r.worker IS NOT NULL AND r.worker > w.worker ORDER BY r.worker LIMIT 1)
    FROM w WHERE w.worker IS NOT NULL
), gone AS MATERIALIZED (
    SELECT worker FROM w
    WHERE worker IS NOT NULL
      AND NOT EXISTS (SELECT FROM worker v WHERE v.worker_id = w.worker AND v.dead_at IS NULL)
), c AS MATERIALIZED (
    SELECT x.* FROM gone CROSS JOIN LATERAL (
        SELECT job_id, service FROM oas_webhook_retry
        WHERE state = 'pending' AND worker = gone.worker AND job_id BETWEEN $1::uuid AND $2::uuid
        LIMIT $3::int FOR NO KEY UPDATE SKIP LOCKED) x
), u AS (
    UPDATE oas_webhook_retry r SET
        worker = NULL, takeovers = r.takeovers + 1,
        state = CASE WHEN r.takeovers < 3 THEN 'pending' ELSE 'failed' END,
        next_attempt_at = CASE WHEN r.takeovers < 3 THEN now() END,
        reason = CASE WHEN r.takeovers < 3 THEN NULL ELSE 'crashed_workers' END,
        finished_at = CASE WHEN r.takeovers < 3 THEN NULL ELSE now() END
    FROM c WHERE r.job_id = c.job_id AND r.service = c.service
    RETURNING r.job_id, r.service, r.state, r.attempts, r.last_status, r.reason
), d AS (
    UPDATE delivery d SET state = 'failed', attempts = u.attempts, last_status = u.last_status, last_reason = u.reason,
                          finished_at = now()
    FROM u
    WHERE u.state = 'failed' AND d.job_id = u.job_id AND d.service = u.service
      AND d.job_id BETWEEN $1::uuid AND $2::uuid AND d.state = 'retrying'
)
SELECT 1 AS freed FROM u
