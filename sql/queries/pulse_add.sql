-- Note what this worker did in a minute. The first worker to do so also tells what waits, counted up to a bound.
INSERT INTO pulse AS p (minute, worker, accepted, delivered, silent, failed, waiting, retrying)
SELECT date_trunc('minute', now()), $3::bigint, $4::int, $5::int, $6::int, $7::int, b.waiting, b.retrying
FROM (SELECT EXISTS (SELECT FROM pulse WHERE minute = date_trunc('minute', now()) AND waiting IS NOT NULL) AS told) t
CROSS JOIN LATERAL (
    SELECT CASE WHEN NOT t.told THEN (
               SELECT count(*)::int FROM (SELECT 1 FROM delivery WHERE state = 'open' AND worker IS NULL
                   AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $8::int) x) END AS waiting,
           CASE WHEN NOT t.told THEN (
               SELECT count(*)::int FROM (SELECT 1 FROM oas_webhook_retry WHERE state = 'pending' LIMIT $8::int) x)
           END AS retrying
) b
ON CONFLICT (minute, worker) DO UPDATE SET
    accepted = p.accepted + excluded.accepted, delivered = p.delivered + excluded.delivered,
    silent = p.silent + excluded.silent, failed = p.failed + excluded.failed
