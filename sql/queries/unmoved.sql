-- Pending retries whose body lies in Postgres only, after a cursor, oldest job first, bounded in bytes as claims are. An
-- aggregate has no body of its own.
WITH c AS MATERIALIZED (
    SELECT job_id, service, route FROM oas_webhook_retry
    WHERE state = 'pending' AND object IS NULL AND kind <> 'aggregate' AND job_id BETWEEN $1::uuid AND $2::uuid
      AND (job_id, service) > ($3::uuid, $4::text)
    ORDER BY job_id, service LIMIT $5::int
), b AS (
    SELECT c.*, p.headers, p.body,
           sum(octet_length(p.body) + 1) OVER w AS bytes, row_number() OVER w AS place
    FROM c JOIN payload p ON p.job_id = c.job_id AND p.service = c.service AND p.job_id BETWEEN $1::uuid AND $2::uuid
    WHERE p.object IS NULL
    WINDOW w AS (ORDER BY c.job_id, c.service)
)
SELECT job_id, service, route, headers, body FROM b WHERE bytes <= $6::bigint OR place = 1 ORDER BY job_id, service
