-- The first attempt at a message failed in a way that a repetition may cure: its delivery becomes 'retrying', and its row
-- in the ledger of retries is made with it. Fenced by owner and claim. A stored body is named at once, and so is the copy
-- that was made of a small one for this attempt; another small one stays in payload until it is moved. `n` is the place in
-- the batch of each row that was still owned.
WITH c AS MATERIALIZED (
    SELECT * FROM ROWS FROM (json_to_recordset($1::json) AS (
             job_id uuid, service text, worker bigint, claim int, status int, reason text, seconds float8, wait float8))
         WITH ORDINALITY AS c (job_id, service, worker, claim, code, reason, seconds, wait, n)
), u AS (
    UPDATE delivery_p{day} d SET state = 'retrying', worker = NULL, attempts = d.attempts + 1,
                                 last_status = c.code, last_reason = c.reason
    FROM c
    WHERE d.job_id = c.job_id AND d.service = c.service
      AND d.worker = c.worker AND d.claim = c.claim AND CASE WHEN d.state = 'open' THEN true END
    RETURNING d.job_id, d.service, d.kind, d.status, d.endpoint, d.attempts, c.code, c.reason, c.seconds, c.wait, c.n
), r AS (
    INSERT INTO oas_webhook_retry (job_id, service, correlation_id, route, kind, status, callback_url, endpoint,
                                   services_total, traceparent, message_id, object, attempts, first_failed_at,
                                   next_attempt_at, last_attempt_at, last_status, last_reason, history, created_at)
    SELECT u.job_id, u.service, j.correlation_id, j.route, u.kind, u.status, j.callback_url, u.endpoint,
           j.services_total, j.traceparent,
           u.job_id || ':' || coalesce(nullif(u.service, ''), 'all') || ':' || u.status, coalesce(p.object, o.object),
           u.attempts, now(),
           now() + make_interval(secs => u.wait), now(), u.code, u.reason,
           ledger_history('[]', u.code, u.reason, u.seconds), now()
    FROM u JOIN job_p{day} j ON j.job_id = u.job_id
    LEFT JOIN payload_p{day} p ON p.job_id = u.job_id AND p.service = u.service AND u.service <> ''
    LEFT JOIN stored_object o ON o.job_id = u.job_id AND o.service = u.service AND u.service <> ''
                             AND o.doomed_at IS NULL
)
SELECT n FROM u
