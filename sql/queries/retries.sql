-- Retries, and messages that failed without one, newest job first, before a cursor. Each filter that is null lets all
-- pass; a time is when the row ended, or when its sequence began.
WITH found AS (
    SELECT v.* FROM "OasWebhookRetry" v
    UNION ALL
    SELECT d.job_id, d.service, j.correlation_id, j.route, d.kind, d.status, j.callback_url, d.endpoint,
           d.job_id || ':' || coalesce(nullif(d.service, ''), 'all') || ':' || d.status, d.state, d.last_reason, NULL,
           0, d.attempts, NULL, NULL, NULL, d.last_status, d.last_reason, '[]'::jsonb,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, d.created_at, d.finished_at
    FROM delivery d JOIN job j ON j.job_id = d.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    WHERE d.state = 'failed' AND d.job_id BETWEEN $1::uuid AND $2::uuid
      AND NOT EXISTS (SELECT FROM oas_webhook_retry r WHERE r.job_id = d.job_id AND r.service = d.service)
)
SELECT * FROM found f
WHERE ($3::uuid IS NULL OR (f.job_id, f.service) < ($3::uuid, $4::text))
  AND ($6::uuid IS NULL OR f.job_id = $6::uuid) AND ($7::text IS NULL OR f.service = $7::text)
  AND ($8::text IS NULL OR f.correlation_id = $8::text) AND ($9::text IS NULL OR f.route = $9::text)
  AND ($10::text IS NULL OR f.endpoint = $10::text) AND ($11::text IS NULL OR coalesce(f.reason, f.last_reason) = $11::text)
  AND ($12::text IS NULL OR f.state = $12::text)
  AND ($13::timestamptz IS NULL OR coalesce(f.finished_at, f.first_failed_at) >= $13::timestamptz)
  AND ($14::timestamptz IS NULL OR coalesce(f.finished_at, f.first_failed_at) < $14::timestamptz)
ORDER BY f.job_id DESC, f.service DESC LIMIT $5::int
