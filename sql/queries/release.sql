-- Give invocations back without an outcome: acknowledged, to be tried again, or left waiting. Fenced by owner and
-- claim; an outcome that came first stays. `n` is the place in the batch of each row that was still owned.
UPDATE invocation_p{day} i SET
    worker = NULL,
    acknowledged_at = CASE WHEN c.acknowledged THEN coalesce(i.acknowledged_at, now()) ELSE i.acknowledged_at END,
    unsure = i.unsure OR c.unsure,
    next_attempt_at = now() + make_interval(secs => c.retry_in),
    attempts = i.attempts + c.attempted::int,
    history = CASE WHEN c.attempted AND NOT c.acknowledged
                   THEN ledger_history(coalesce(i.history, '[]'), c.status, c.reason, NULL) ELSE i.history END,
    last_status = CASE WHEN c.attempted THEN c.status ELSE i.last_status END,
    last_reason = CASE WHEN c.attempted THEN c.reason ELSE i.last_reason END
FROM ROWS FROM (json_to_recordset($1::json) AS (
         job_id uuid, service text, worker bigint, claim int, acknowledged bool, unsure bool, retry_in float8, status int,
         reason text, attempted bool))
     WITH ORDINALITY AS c (job_id, service, worker, claim, acknowledged, unsure, retry_in, status, reason, attempted, n)
WHERE i.job_id = c.job_id AND i.service = c.service
  AND i.worker = c.worker AND i.claim = c.claim AND CASE WHEN i.outcome IS NULL THEN true END
RETURNING c.n
