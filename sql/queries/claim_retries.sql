-- Claim due retries, a few of each endpoint that has free slots, as claim_deliveries does. The dead claim nothing. Small
-- bodies are read along, also when they lie in the object store by now.
WITH c AS MATERIALIZED (
    SELECT x.* FROM unnest($4::text[], $5::int[], $6::timestamptz[]) AS q (endpoint, free, low)
    CROSS JOIN LATERAL (
        SELECT job_id, service, next_attempt_at AS due FROM oas_webhook_retry
        WHERE state = 'pending' AND worker IS NULL AND endpoint = q.endpoint
          AND next_attempt_at <= now() AND next_attempt_at >= q.low AND job_id BETWEEN $1::uuid AND $2::uuid
        ORDER BY next_attempt_at LIMIT q.free FOR NO KEY UPDATE SKIP LOCKED) x
    WHERE EXISTS (SELECT FROM worker WHERE worker_id = $3::bigint AND dead_at IS NULL)
), b AS MATERIALIZED (
    SELECT c.job_id, c.service, c.due, coalesce(p.headers, ''::bytea) AS headers, coalesce(p.body, ''::bytea) AS body,
           p.packed,
           sum(coalesce(greatest(octet_length(p.body), p.packed::int * 2000), 0) + 1) OVER w AS bytes,
           row_number() OVER w AS place
    FROM c LEFT JOIN payload p ON p.job_id = c.job_id AND p.service = c.service AND c.service <> ''
                              AND p.job_id BETWEEN $1::uuid AND $2::uuid
    WINDOW w AS (ORDER BY c.due, c.job_id, c.service)
), u AS (
    UPDATE oas_webhook_retry r SET worker = $3::bigint, claim = r.claim + 1, claimed_at = now()
    FROM b
    WHERE r.job_id = b.job_id AND r.service = b.service AND (b.bytes <= $7::bigint OR b.place = 1)
    RETURNING r.*, b.due, b.headers, b.body, b.packed
)
SELECT u.job_id, u.service, u.claim, u.kind, u.status, u.endpoint, u.attempts, u.retry_count, u.first_failed_at,
       u.last_status, u.last_reason, u.callback_url, u.correlation_id, u.route, u.traceparent, u.services_total,
       u.message_id, u.object, u.due, u.headers, u.body, u.packed, coalesce(j.links_base, '') AS links_base,
       j.upload_url, j.uploaded
FROM u LEFT JOIN job j ON j.job_id = u.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
ORDER BY u.due, u.job_id
