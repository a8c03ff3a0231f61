-- What waits, by state, and since when the oldest of it could have been done: for metrics. Each state is counted up to
-- a bound, by partial indexes; of more than that, the oldest of those that were looked at is told.
SELECT c.* FROM (
    SELECT 'calls_waiting' AS state, count(*)::int AS rows, count(*) FILTER (WHERE due <= now())::int AS due,
           extract(epoch FROM now() - min(due))::float8 AS oldest
    FROM (SELECT next_attempt_at AS due FROM invocation
          WHERE outcome IS NULL AND worker IS NULL AND next_attempt_at IS NOT NULL AND service_key >= ''
            AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $3::int) x
    UNION ALL
    SELECT 'calls_open', count(*)::int, 0, NULL
    FROM (SELECT 1 FROM invocation WHERE outcome IS NULL AND deadline_at >= '-infinity'
            AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $3::int) x
    UNION ALL
    SELECT 'messages_waiting', count(*)::int, count(*) FILTER (WHERE due <= now())::int,
           extract(epoch FROM now() - min(due))::float8
    FROM (SELECT due_at AS due FROM delivery WHERE state = 'open' AND worker IS NULL AND endpoint >= ''
            AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $3::int) x
    UNION ALL
    SELECT 'messages_sending', count(*)::int, 0, NULL
    FROM (SELECT 1 FROM delivery WHERE state = 'open' AND worker IS NOT NULL
            AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $3::int) x
    UNION ALL
    SELECT 'retries_waiting', count(*)::int, count(*) FILTER (WHERE due <= now())::int,
           extract(epoch FROM now() - min(due))::float8
    FROM (SELECT next_attempt_at AS due FROM oas_webhook_retry
          WHERE state = 'pending' AND worker IS NULL AND endpoint >= ''
          LIMIT $3::int) x
) c
