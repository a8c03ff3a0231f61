-- What the ledger says this worker has held for longer than an interval (seconds).
SELECT 'invocation' AS kind, job_id, service, claim FROM invocation
WHERE outcome IS NULL AND worker = $3::bigint AND claimed_at < now() - make_interval(secs => $4::float8)
  AND job_id BETWEEN $1::uuid AND $2::uuid
UNION ALL
SELECT 'retry', job_id, service, claim FROM oas_webhook_retry
WHERE state = 'pending' AND worker = $3::bigint AND claimed_at < now() - make_interval(secs => $4::float8)
UNION ALL
SELECT 'delivery', job_id, service, claim FROM delivery
WHERE state = 'open' AND worker = $3::bigint AND claimed_at < now() - make_interval(secs => $4::float8)
  AND job_id BETWEEN $1::uuid AND $2::uuid
