-- The invocations of one job, never bodies.
SELECT service, call, outcome, status, acknowledged_at IS NOT NULL AS acknowledged, last_status, last_reason, attempts,
       finished_at
FROM invocation WHERE job_id = $1::uuid ORDER BY service
