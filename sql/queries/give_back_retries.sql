-- Free retries that a worker owns and does not know of: a commit whose answer was lost. Fenced by owner and claim.
WITH u AS (
    UPDATE oas_webhook_retry r SET
        worker = NULL, takeovers = r.takeovers + 1,
        state = CASE WHEN r.takeovers < 3 THEN 'pending' ELSE 'failed' END,
        next_attempt_at = CASE WHEN r.takeovers < 3 THEN now() END,
        reason = CASE WHEN r.takeovers < 3 THEN NULL ELSE 'crashed_workers' END,
        finished_at = CASE WHEN r.takeovers < 3 THEN NULL ELSE now() END
    FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::int[]) AS c (job_id, service, worker, claim)
    WHERE r.job_id = c.job_id AND r.service = c.service
      AND r.worker = c.worker AND r.claim = c.claim AND r.state = 'pending'
    RETURNING r.job_id, r.service, r.state, r.attempts, r.last_status, r.reason
), d AS (
    UPDATE delivery d SET state = 'failed', attempts = u.attempts, last_status = u.last_status, last_reason = u.reason,
                          finished_at = now()
    FROM u
    WHERE u.state = 'failed' AND d.job_id = u.job_id AND d.service = u.service
      AND d.job_id BETWEEN $1::uuid AND $2::uuid AND d.state = 'retrying'
)
SELECT 1 AS freed FROM u
