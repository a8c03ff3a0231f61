-- End retries that are past their budget (seconds) and whose endpoint is away: its circuit is open, and an attempt there
-- failed after the budget was over, so that no downtime of ours counts.
WITH c AS MATERIALIZED (
    SELECT x.* FROM endpoint e CROSS JOIN LATERAL (
        SELECT job_id, service FROM oas_webhook_retry
        WHERE state = 'pending' AND worker IS NULL AND endpoint = e.endpoint
          AND first_failed_at <= e.confirmed_at - make_interval(secs => $4::float8)
          AND job_id BETWEEN $1::uuid AND $2::uuid
        ORDER BY first_failed_at LIMIT $5::int FOR NO KEY UPDATE SKIP LOCKED) x
    WHERE e.endpoint = ANY ($3::text[]) AND e.state = 'open'
      AND (e.held_until IS NULL OR e.held_until <= e.confirmed_at - make_interval(secs => $4::float8))
), u AS (
    UPDATE oas_webhook_retry r SET state = 'failed', reason = 'endpoint_unreachable', next_attempt_at = NULL,
                                   finished_at = now()
    FROM c WHERE r.job_id = c.job_id AND r.service = c.service
    RETURNING r.job_id, r.service, r.attempts, r.last_status, r.reason
), d AS (
    UPDATE delivery d SET state = 'failed', attempts = u.attempts, last_status = u.last_status, last_reason = u.reason,
                          finished_at = now()
    FROM u
    WHERE d.job_id = u.job_id AND d.service = u.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
      AND d.state = 'retrying'
)
SELECT 1 AS ended FROM u
