-- Claim due deliveries, a few of each endpoint that has free slots: fair without looking at endpoints that have none,
-- however many rows wait there. `low`, the bound on bytes and the dead are as in claim_invocations. An aggregate has no body here.
WITH c AS MATERIALIZED (
    SELECT x.* FROM unnest($4::text[], $5::int[], $6::timestamptz[]) AS q (endpoint, free, low)
    CROSS JOIN LATERAL (
        SELECT job_id, service, due_at AS due FROM delivery
        WHERE state = 'open' AND worker IS NULL AND endpoint = q.endpoint
          AND due_at <= now() AND due_at >= q.low AND job_id BETWEEN $1::uuid AND $2::uuid
        ORDER BY due_at LIMIT q.free FOR NO KEY UPDATE SKIP LOCKED) x
    WHERE EXISTS (SELECT FROM worker WHERE worker_id = $3::bigint AND dead_at IS NULL)
), b AS MATERIALIZED (
    SELECT c.job_id, c.service, c.due, coalesce(p.headers, ''::bytea) AS headers, coalesce(p.body, ''::bytea) AS body,
           p.packed, p.object,
           sum(coalesce(greatest(octet_length(p.body), p.packed::int * 2000), 0) + 1) OVER w AS bytes,
           row_number() OVER w AS place
    FROM c LEFT JOIN payload p ON p.job_id = c.job_id AND p.service = c.service AND c.service <> ''
                              AND p.job_id BETWEEN $1::uuid AND $2::uuid
    WINDOW w AS (ORDER BY c.due, c.job_id, c.service)
), u AS (
    UPDATE delivery d SET worker = $3::bigint, claim = d.claim + 1, claimed_at = now()
    FROM b
    WHERE d.job_id = b.job_id AND d.service = b.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
      AND (b.bytes <= $7::bigint OR b.place = 1)
    RETURNING d.job_id, d.service, d.endpoint, d.claim, d.kind, d.status, d.attempts, b.due, b.headers, b.body,
              b.packed, b.object
)
SELECT u.*, j.callback_url, j.correlation_id, j.route, j.traceparent, j.services_total, j.links_base, j.upload_url, j.uploaded
FROM u JOIN job j ON j.job_id = u.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
ORDER BY u.due, u.job_id
