-- Begin the sequence of retries anew, at once: of failed ones, and of those that wait for their time (of one that is
-- named, also when its time has come). Nothing that an attempt is under way for; nothing whose body is gone; the bounds leave
-- out jobs that are about to be removed. With a new id the message is another one to its receiver.
WITH c AS MATERIALIZED (
    SELECT r.job_id, r.service FROM oas_webhook_retry r
    WHERE r.job_id BETWEEN $1::uuid AND $2::uuid
      AND (r.state = 'failed' OR (r.state = 'pending' AND r.worker IS NULL
                                  AND (r.next_attempt_at > now() OR $5::uuid IS NOT NULL)))
      AND ($5::uuid IS NULL OR r.job_id = $5::uuid) AND ($6::text IS NULL OR r.service = $6::text)
      AND ($7::text IS NULL OR r.correlation_id = $7::text) AND ($8::text IS NULL OR r.route = $8::text)
      AND ($9::text IS NULL OR r.endpoint = $9::text)
      AND ($10::text IS NULL OR coalesce(r.reason, r.last_reason) = $10::text)
      AND ($11::text IS NULL OR r.state = $11::text)
      AND ($12::timestamptz IS NULL OR coalesce(r.finished_at, r.first_failed_at) >= $12::timestamptz)
      AND ($13::timestamptz IS NULL OR coalesce(r.finished_at, r.first_failed_at) < $13::timestamptz)
      AND CASE WHEN r.kind = 'aggregate' THEN NOT EXISTS
               (SELECT FROM invocation i LEFT JOIN payload p
                    ON p.job_id = i.job_id AND p.service = i.service AND p.job_id BETWEEN $1::uuid AND $2::uuid
                WHERE i.job_id = r.job_id AND i.job_id BETWEEN $1::uuid AND $2::uuid AND i.kind IS NOT NULL
                  AND (p.job_id IS NULL OR p.object IS NULL AND p.dropped_at IS NOT NULL
                       OR p.object IS NOT NULL AND NOT EXISTS (
                           SELECT FROM stored_object o WHERE o.job_id = p.job_id AND o.service = p.service
                                                         AND o.doomed_at IS NULL)))
               ELSE EXISTS (SELECT FROM payload p WHERE p.job_id = r.job_id AND p.service = r.service
                      AND p.job_id BETWEEN $1::uuid AND $2::uuid
                      AND (coalesce(r.object, p.object) IS NULL AND p.dropped_at IS NULL
                           OR EXISTS (SELECT FROM stored_object o WHERE o.job_id = p.job_id
                                                       AND o.service = p.service AND o.doomed_at IS NULL))) END
    ORDER BY r.job_id, r.service LIMIT $3::int FOR NO KEY UPDATE OF r SKIP LOCKED
), u AS (
    UPDATE oas_webhook_retry r SET
        state = 'pending', reason = NULL, finished_at = NULL, first_failed_at = now(), next_attempt_at = now(),
        retry_count = 0, takeovers = 0, deferral = NULL, redrives = r.redrives + 1,
        message_id = CASE WHEN $4::bool THEN
            r.job_id || ':' || coalesce(nullif(r.service, ''), 'all') || ':' || r.status || ':r' || r.redrives + 1
            ELSE r.message_id END
    FROM c WHERE r.job_id = c.job_id AND r.service = c.service
    RETURNING r.job_id, r.service
), d AS (
    UPDATE delivery d SET state = 'retrying', finished_at = NULL
    FROM u
    WHERE d.job_id = u.job_id AND d.service = u.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
      AND d.state IN ('failed', 'retrying')
), a AS (
    INSERT INTO audit (actor, role, action, target, detail)
    SELECT $14::text, $15::text, 'redrive', $16::text,
           $17::jsonb || jsonb_build_object('count', count(*), 'jobs', jsonb_agg(DISTINCT u.job_id))
    FROM u HAVING count(*) > 0
)
SELECT 1 AS redriven FROM u
