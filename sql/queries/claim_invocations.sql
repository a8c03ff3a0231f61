-- Claim due invocations, a few of each service that has free slots: one busy service does not fill the share of the
-- others. `low` is where the last scan of that service ended: under a long snapshot the index still holds what was
-- claimed before it. Bodies are bounded in total, compressed ones by the most they can be (ledger/packing.py); the first
-- row is always taken.
-- The dead claim nothing: a worker that was buried and does not know yet would take the same rows again and again, and
-- the sweep would count each time as a crash.
WITH c AS MATERIALIZED (
    SELECT x.* FROM unnest($4::text[], $5::int[], $6::timestamptz[]) AS q (service_key, free, low)
    CROSS JOIN LATERAL (
        SELECT job_id, service, next_attempt_at AS due FROM invocation
        WHERE outcome IS NULL AND worker IS NULL AND next_attempt_at IS NOT NULL AND service_key = q.service_key
          AND next_attempt_at <= now() AND next_attempt_at >= q.low
          AND deadline_at > now() AND job_id BETWEEN $1::uuid AND $2::uuid
        ORDER BY next_attempt_at LIMIT q.free FOR NO KEY UPDATE SKIP LOCKED) x
    WHERE EXISTS (SELECT FROM worker WHERE worker_id = $3::bigint AND dead_at IS NULL)
), b AS MATERIALIZED (
    SELECT c.job_id, c.service, c.due, p.headers, p.body, p.packed, p.object,
           sum(greatest(octet_length(p.body), p.packed::int * 2000) + 1) OVER w AS bytes,
           row_number() OVER w AS place
    FROM c JOIN payload p ON p.job_id = c.job_id AND p.service = '' AND p.job_id BETWEEN $1::uuid AND $2::uuid
    WINDOW w AS (ORDER BY c.due, c.job_id, c.service)
), u AS (
    UPDATE invocation i SET worker = $3::bigint, claim = i.claim + 1, claimed_at = now(), next_attempt_at = NULL
    FROM b
    WHERE i.job_id = b.job_id AND i.service = b.service AND i.job_id BETWEEN $1::uuid AND $2::uuid
      AND (b.bytes <= $7::bigint OR b.place = 1)
    RETURNING i.job_id, i.service_key, i.claim, i.call, i.attempts, i.unsure, i.deadline_at, b.due, b.headers, b.body,
              b.packed, b.object
)
SELECT u.*, j.method, j.callback_url, j.correlation_id, j.route, j.traceparent
FROM u JOIN job j ON j.job_id = u.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
ORDER BY u.due, u.job_id
