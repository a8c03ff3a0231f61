-- End deliveries, or give them back with state 'open'. Fenced by owner and claim. What was put off by us counts no
-- attempt, and says why until one is made. `n` is the place in the batch of each row that was still owned.
UPDATE delivery_p{day} d SET
    state = c.state, worker = NULL,
    attempts = d.attempts + c.attempted::int,
    due_at = CASE c.state WHEN 'open' THEN now() + make_interval(secs => c.retry_in) ELSE d.due_at END,
    last_status = CASE WHEN c.attempted THEN c.status ELSE d.last_status END,
    last_reason = CASE WHEN c.attempted THEN c.reason ELSE coalesce(c.reason, d.last_reason) END,
    finished_at = CASE c.state WHEN 'open' THEN NULL ELSE now() END
FROM ROWS FROM (json_to_recordset($1::json) AS (
         job_id uuid, service text, worker bigint, claim int, state text, status int, reason text, retry_in float8,
         attempted bool))
     WITH ORDINALITY AS c (job_id, service, worker, claim, state, status, reason, retry_in, attempted, n)
WHERE d.job_id = c.job_id AND d.service = c.service
  AND d.worker = c.worker AND d.claim = c.claim AND CASE WHEN d.state = 'open' THEN true END
RETURNING c.n
