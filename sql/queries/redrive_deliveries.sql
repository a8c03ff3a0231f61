-- Begin a sequence of retries for messages that failed without one, as redrive_retries does.
WITH c AS MATERIALIZED (
    SELECT d.job_id, d.service, d.finished_at FROM delivery d
    JOIN job j ON j.job_id = d.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    WHERE d.job_id BETWEEN $1::uuid AND $2::uuid AND d.state = 'failed'
      AND NOT EXISTS (SELECT FROM oas_webhook_retry r WHERE r.job_id = d.job_id AND r.service = d.service)
      AND ($5::uuid IS NULL OR d.job_id = $5::uuid) AND ($6::text IS NULL OR d.service = $6::text)
      AND ($7::text IS NULL OR j.correlation_id = $7::text) AND ($8::text IS NULL OR j.route = $8::text)
      AND ($9::text IS NULL OR d.endpoint = $9::text) AND ($10::text IS NULL OR d.last_reason = $10::text)
      AND ($11::text IS NULL OR d.state = $11::text)
      AND ($12::timestamptz IS NULL OR coalesce(d.finished_at, d.due_at) >= $12::timestamptz)
      AND ($13::timestamptz IS NULL OR coalesce(d.finished_at, d.due_at) < $13::timestamptz)
      AND CASE WHEN d.kind = 'aggregate' THEN NOT EXISTS
               (SELECT FROM invocation i LEFT JOIN payload p
                    ON p.job_id = i.job_id AND p.service = i.service AND p.job_id BETWEEN $1::uuid AND $2::uuid
                WHERE i.job_id = d.job_id AND i.job_id BETWEEN $1::uuid AND $2::uuid AND i.kind IS NOT NULL
                  AND (p.job_id IS NULL OR p.object IS NULL AND p.dropped_at IS NOT NULL
                       OR p.object IS NOT NULL AND NOT EXISTS (
                           SELECT FROM stored_object o WHERE o.job_id = p.job_id AND o.service = p.service
                                                         AND o.doomed_at IS NULL)))
               ELSE EXISTS (SELECT FROM payload p WHERE p.job_id = d.job_id AND p.service = d.service
                      AND p.job_id BETWEEN $1::uuid AND $2::uuid
                      AND (p.object IS NULL AND p.dropped_at IS NULL OR EXISTS (SELECT FROM stored_object o WHERE o.job_id = p.job_id
                                                       AND o.service = p.service AND o.doomed_at IS NULL))) END
    ORDER BY d.job_id, d.service LIMIT $3::int FOR NO KEY UPDATE OF d SKIP LOCKED
), u AS (
    UPDATE delivery d SET state = 'retrying', finished_at = NULL
    FROM c
    WHERE d.job_id = c.job_id AND d.service = c.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
    RETURNING d.*, c.finished_at AS failed_at
), r AS (
    INSERT INTO oas_webhook_retry (job_id, service, correlation_id, route, kind, status, callback_url, endpoint,
                                   services_total, traceparent, message_id, object, attempts, redrives, first_failed_at,
                                   next_attempt_at, last_attempt_at, last_status, last_reason, history, created_at)
    SELECT u.job_id, u.service, j.correlation_id, j.route, u.kind, u.status, j.callback_url, u.endpoint,
           j.services_total, j.traceparent,
           u.job_id || ':' || coalesce(nullif(u.service, ''), 'all') || ':' || u.status
               || CASE WHEN $4::bool THEN ':r1' ELSE '' END,
           p.object, u.attempts, 1, now(), now(), CASE WHEN u.attempts > 0 THEN u.failed_at END, u.last_status,
           u.last_reason,
           CASE WHEN u.attempts > 0 THEN jsonb_build_array(jsonb_build_object(
               'at', u.failed_at, 'status', u.last_status, 'reason', u.last_reason, 'seconds', NULL))
           ELSE '[]' END, now()
    FROM u JOIN job j ON j.job_id = u.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    LEFT JOIN payload p ON p.job_id = u.job_id AND p.service = u.service AND u.service <> ''
                       AND p.job_id BETWEEN $1::uuid AND $2::uuid
), a AS (
    INSERT INTO audit (actor, role, action, target, detail)
    SELECT $14::text, $15::text, 'redrive', $16::text,
           $17::jsonb || jsonb_build_object('count', count(*), 'jobs', jsonb_agg(DISTINCT u.job_id))
    FROM u HAVING count(*) > 0
)
SELECT 1 AS redriven FROM u
