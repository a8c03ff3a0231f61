-- Pending retries whose body lies in Postgres only, oldest failure first, bounded in bytes as claims are. An aggregate has
-- no body of its own.
WITH c AS MATERIALIZED (
    SELECT r.job_id, r.service, r.route, r.endpoint, r.first_failed_at, p.headers, p.body, p.packed
    FROM oas_webhook_retry r
    JOIN payload p ON p.job_id = r.job_id AND p.service = r.service AND p.job_id BETWEEN $1::uuid AND $2::uuid
    WHERE r.state = 'pending' AND r.object IS NULL AND r.kind <> 'aggregate' AND r.job_id BETWEEN $1::uuid AND $2::uuid
      AND p.object IS NULL
    ORDER BY r.first_failed_at LIMIT $3::int
), b AS (
    SELECT c.*, sum(greatest(octet_length(c.body), c.packed::int * 2000) + 1) OVER w AS bytes,
           row_number() OVER w AS place
    FROM c WINDOW w AS (ORDER BY c.first_failed_at, c.job_id, c.service)
)
SELECT job_id, service, route, endpoint, headers, body, packed FROM b WHERE bytes <= $4::bigint OR place = 1 ORDER BY place
