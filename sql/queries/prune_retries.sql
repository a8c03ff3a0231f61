-- Remove retries that ended longer ago than the retention (seconds), a bounded number at a time.
WITH c AS MATERIALIZED (
    SELECT job_id, service FROM oas_webhook_retry
    WHERE state <> 'pending' AND finished_at < now() - make_interval(secs => $1::float8)
    ORDER BY finished_at LIMIT 1000 FOR UPDATE SKIP LOCKED
)
DELETE FROM oas_webhook_retry r USING c WHERE r.job_id = c.job_id AND r.service = c.service
RETURNING 1 AS removed
