-- What the list of retries would show, counted by endpoint and state, and how many of those a redrive would take if
-- their bodies are still there. The filters are those of the list.
WITH found AS (
    SELECT v.job_id, v.service, v.correlation_id, v.route, v.endpoint, v.state, v.waits_for, v.first_failed_at,
           v.next_attempt_at, v.finished_at, coalesce(v.reason, v.last_reason) AS reason
    FROM "OasWebhookRetry" v
    UNION ALL
    SELECT d.job_id, d.service, j.correlation_id, j.route, d.endpoint, d.state, NULL, NULL, NULL, d.finished_at,
           d.last_reason
    FROM delivery d JOIN job j ON j.job_id = d.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    WHERE d.state = 'failed' AND d.job_id BETWEEN $1::uuid AND $2::uuid
      AND NOT EXISTS (SELECT FROM oas_webhook_retry r WHERE r.job_id = d.job_id AND r.service = d.service)
)
SELECT f.endpoint, f.state, count(*)::int AS count,
       count(*) FILTER (WHERE f.state = 'failed' OR f.state = 'pending' AND f.waits_for <> 'being_sent' AND
                              (f.next_attempt_at > now() OR $3::uuid IS NOT NULL))::int AS redrivable
FROM found f
WHERE ($3::uuid IS NULL OR f.job_id = $3::uuid) AND ($4::text IS NULL OR f.service = $4::text)
  AND ($5::text IS NULL OR f.correlation_id = $5::text) AND ($6::text IS NULL OR f.route = $6::text)
  AND ($7::text IS NULL OR f.endpoint = $7::text) AND ($8::text IS NULL OR f.reason = $8::text)
  AND ($9::text IS NULL OR f.state = $9::text)
  AND ($10::timestamptz IS NULL OR coalesce(f.finished_at, f.first_failed_at) >= $10::timestamptz)
  AND ($11::timestamptz IS NULL OR coalesce(f.finished_at, f.first_failed_at) < $11::timestamptz)
GROUP BY f.endpoint, f.state ORDER BY count DESC, f.endpoint, f.state
