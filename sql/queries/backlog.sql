-- What is under way and waits, each counted up to a bound: partial indexes, so that finished rows cost nothing.
SELECT now() AS now,
    (SELECT count(*)::int FROM (SELECT 1 FROM invocation WHERE outcome IS NULL
        AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $3::int) x) AS invocations,
    (SELECT count(*)::int FROM (SELECT 1 FROM delivery WHERE state = 'open' AND worker IS NULL
        AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $3::int) x) AS waiting,
    (SELECT count(*)::int FROM (SELECT 1 FROM delivery WHERE state = 'open' AND worker IS NOT NULL
        AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $3::int) x) AS sending,
    (SELECT count(*)::int FROM (SELECT 1 FROM oas_webhook_retry WHERE state = 'pending' LIMIT $3::int) x) AS retrying,
    (SELECT count(*)::int FROM (SELECT 1 FROM endpoint WHERE state = 'open') x) AS circuits_open,
    (SELECT count(*)::int FROM endpoint WHERE held_until > now()) AS endpoints_held,
    (SELECT min(next_attempt_at) FROM (SELECT next_attempt_at FROM oas_webhook_retry
        WHERE state = 'pending' AND worker IS NULL AND next_attempt_at < now() LIMIT $3::int) x) AS oldest_due
