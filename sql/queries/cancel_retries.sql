-- Give up pending retries. An attempt that is under way ends as it may; nothing follows it.
WITH c AS MATERIALIZED (
    SELECT r.job_id, r.service FROM oas_webhook_retry r
    WHERE r.job_id BETWEEN $1::uuid AND $2::uuid AND r.state = 'pending'
      AND ($4::uuid IS NULL OR r.job_id = $4::uuid) AND ($5::text IS NULL OR r.service = $5::text)
      AND ($6::text IS NULL OR r.correlation_id = $6::text) AND ($7::text IS NULL OR r.route = $7::text)
      AND ($8::text IS NULL OR r.endpoint = $8::text)
      AND ($9::text IS NULL OR coalesce(r.reason, r.last_reason) = $9::text)
      AND ($10::text IS NULL OR r.state = $10::text)
      AND ($11::timestamptz IS NULL OR coalesce(r.finished_at, r.first_failed_at) >= $11::timestamptz)
      AND ($12::timestamptz IS NULL OR coalesce(r.finished_at, r.first_failed_at) < $12::timestamptz)
    ORDER BY r.job_id, r.service LIMIT $3::int FOR NO KEY UPDATE OF r
), u AS (
    UPDATE oas_webhook_retry r SET state = 'cancelled', reason = 'cancelled', worker = NULL, next_attempt_at = NULL,
                                   finished_at = now()
    FROM c WHERE r.job_id = c.job_id AND r.service = c.service
    RETURNING r.job_id, r.service, r.attempts, r.last_status, r.reason
), d AS (
    UPDATE delivery d SET state = 'cancelled', attempts = u.attempts, last_status = u.last_status, last_reason = u.reason,
                          finished_at = now()
    FROM u
    WHERE d.job_id = u.job_id AND d.service = u.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
      AND d.state = 'retrying'
), a AS (
    INSERT INTO audit (actor, role, action, target, detail)
    SELECT $13::text, $14::text, 'cancel', $15::text,
           $16::jsonb || jsonb_build_object('count', count(*), 'jobs', jsonb_agg(DISTINCT u.job_id))
    FROM u HAVING count(*) > 0
)
SELECT 1 AS cancelled FROM u
