-- Retries, and messages that failed without one, newest job first, before a cursor. Each filter that is null lets all
-- pass; a time is when the row ended, or when its sequence began. Each of the two finds its page by its own index, so that
-- a page costs the same however long the ledger is.
WITH r AS MATERIALIZED (
    SELECT r.job_id, r.service FROM oas_webhook_retry r
    WHERE ($3::uuid IS NULL OR (r.job_id, r.service) < ($3::uuid, $4::text))
      AND ($6::uuid IS NULL OR r.job_id = $6::uuid) AND ($7::text IS NULL OR r.service = $7::text)
      AND ($8::text IS NULL OR r.correlation_id = $8::text) AND ($9::text IS NULL OR r.route = $9::text)
      AND ($10::text IS NULL OR r.endpoint = $10::text)
      AND ($11::text IS NULL OR coalesce(r.reason, r.last_reason) = $11::text)
      AND ($12::text IS NULL OR r.state = $12::text)
      AND ($13::timestamptz IS NULL OR coalesce(r.finished_at, r.first_failed_at) >= $13::timestamptz)
      AND ($14::timestamptz IS NULL OR coalesce(r.finished_at, r.first_failed_at) < $14::timestamptz)
    ORDER BY r.job_id DESC, r.service DESC LIMIT $5::int
), d AS MATERIALIZED (
    SELECT d.job_id, d.service, j.correlation_id, j.route, d.kind, d.status, j.callback_url, d.endpoint,
           d.job_id || ':' || coalesce(nullif(d.service, ''), 'all') || ':' || d.status AS message_id, d.state,
           d.last_reason, d.attempts, d.last_status, d.created_at, d.finished_at
    FROM delivery d JOIN job j ON j.job_id = d.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    WHERE d.state = 'failed' AND d.job_id BETWEEN $1::uuid AND $2::uuid
      AND ($3::uuid IS NULL OR (d.job_id, d.service) < ($3::uuid, $4::text))
      AND NOT EXISTS (SELECT FROM oas_webhook_retry r WHERE r.job_id = d.job_id AND r.service = d.service)
      AND ($6::uuid IS NULL OR d.job_id = $6::uuid) AND ($7::text IS NULL OR d.service = $7::text)
      AND ($8::text IS NULL OR j.correlation_id = $8::text) AND ($9::text IS NULL OR j.route = $9::text)
      AND ($10::text IS NULL OR d.endpoint = $10::text) AND ($11::text IS NULL OR d.last_reason = $11::text)
      AND ($12::text IS NULL OR d.state = $12::text)
      AND ($13::timestamptz IS NULL OR d.finished_at >= $13::timestamptz)
      AND ($14::timestamptz IS NULL OR d.finished_at < $14::timestamptz)
    ORDER BY d.job_id DESC, d.service DESC LIMIT $5::int
), found AS (
    SELECT v.* FROM r JOIN "OasWebhookRetry" v ON v.job_id = r.job_id AND v.service = r.service
    UNION ALL
    SELECT d.job_id, d.service, d.correlation_id, d.route, d.kind, d.status, d.callback_url, d.endpoint, d.message_id,
           d.state, d.last_reason, NULL, 0, d.attempts, NULL, NULL, NULL, d.last_status, d.last_reason, '[]'::jsonb,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, d.created_at, d.finished_at
    FROM d
)
SELECT * FROM found f ORDER BY f.job_id DESC, f.service DESC LIMIT $5::int
