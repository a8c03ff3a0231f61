-- End the attempts of retries. Fenced by owner and claim. 'again' schedules the next retry: it is used up when that would
-- fall beyond the budget, which only a failed attempt is asked, by this clock; while an operator
-- held the endpoint it did not run. Retry-After (in `wait`) moves a retry
-- later, at most to the edge of the budget. 'deferred' is our own fault and counts no attempt. What ends here ends its
-- delivery with it: retry row before delivery, as everywhere. `n` is the place in the batch of each row that was owned.
WITH o AS MATERIALIZED (
    SELECT c.*, x.edge, c.verdict <> 'deferred' AS attempted,
           CASE c.verdict WHEN 'delivered' THEN 'delivered' WHEN 'failed' THEN 'failed' WHEN 'deferred' THEN 'pending'
                ELSE CASE WHEN now() + make_interval(secs => c.delay) <= x.edge THEN 'pending' ELSE 'failed' END
           END AS state
    FROM ROWS FROM (json_to_recordset($1::json) AS (
             job_id uuid, service text, worker bigint, claim int, verdict text, status int, reason text, seconds float8,
             delay float8, wait float8, budget float8))
         WITH ORDINALITY AS c (job_id, service, worker, claim, verdict, code, reason, seconds, delay, wait, budget, n)
    JOIN oas_webhook_retry r ON r.job_id = c.job_id AND r.service = c.service
    LEFT JOIN endpoint e ON e.endpoint = r.endpoint
    CROSS JOIN LATERAL (
        SELECT greatest(r.first_failed_at, e.held_until) + make_interval(secs => c.budget) AS edge) x
), u AS (
    UPDATE oas_webhook_retry r SET
        state = o.state, worker = NULL,
        retry_count = r.retry_count + o.attempted::int, attempts = r.attempts + o.attempted::int,
        takeovers = CASE WHEN o.attempted THEN 0 ELSE r.takeovers END,
        next_attempt_at = CASE WHEN o.state <> 'pending' THEN NULL
                               WHEN o.attempted THEN least(now() + make_interval(secs => greatest(o.delay, o.wait)), o.edge)
                               ELSE now() + make_interval(secs => o.delay) END,
        deferral = CASE WHEN NOT o.attempted THEN o.reason END,
        last_attempt_at = CASE WHEN o.attempted THEN now() ELSE r.last_attempt_at END,
        last_status = CASE WHEN o.attempted THEN o.code ELSE r.last_status END,
        last_reason = CASE WHEN o.attempted THEN o.reason ELSE r.last_reason END,
        history = CASE WHEN o.attempted THEN ledger_history(r.history, o.code, o.reason, o.seconds) ELSE r.history END,
        reason = CASE WHEN o.state = 'failed' THEN
                     CASE o.verdict WHEN 'again' THEN 'retries_exhausted' ELSE coalesce(o.reason, 'internal') END END,
        finished_at = CASE WHEN o.state <> 'pending' THEN now() END
    FROM o
    WHERE r.job_id = o.job_id AND r.service = o.service
      AND r.worker = o.worker AND r.claim = o.claim AND CASE WHEN r.state = 'pending' THEN true END
    RETURNING r.job_id, r.service, r.state, r.attempts, r.last_status, r.last_reason, r.reason, o.n
), d AS (
    UPDATE delivery_p{day} d SET state = u.state, attempts = u.attempts, last_status = u.last_status,
                                 last_reason = coalesce(u.reason, u.last_reason), finished_at = now()
    FROM u
    WHERE u.state <> 'pending' AND d.job_id = u.job_id AND d.service = u.service AND d.state = 'retrying'
)
SELECT n, state FROM u
