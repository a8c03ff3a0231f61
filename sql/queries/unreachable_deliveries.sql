-- End messages that wait for their first attempt, as unreachable_retries ends retries. Their budget counts from when they
-- were due: that is when they were made, or later if a worker crashed with them.
WITH c AS MATERIALIZED (
    SELECT x.* FROM endpoint e CROSS JOIN LATERAL (
        SELECT job_id, service FROM delivery
        WHERE state = 'open' AND worker IS NULL AND endpoint = e.endpoint
          AND due_at <= e.confirmed_at - make_interval(secs => $4::float8)
          AND job_id BETWEEN $1::uuid AND $2::uuid
        ORDER BY due_at LIMIT $5::int FOR NO KEY UPDATE SKIP LOCKED) x
    WHERE e.endpoint = ANY ($3::text[]) AND e.state = 'open'
      AND (e.held_until IS NULL OR e.held_until <= e.confirmed_at - make_interval(secs => $4::float8))
)
UPDATE delivery d SET state = 'failed', last_reason = 'endpoint_unreachable', finished_at = now()
FROM c WHERE d.job_id = c.job_id AND d.service = c.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
RETURNING 1 AS ended
