-- The messages of one job, never bodies.
SELECT service, kind, status, state, attempts, last_status, last_reason, finished_at
FROM delivery WHERE job_id = $1::uuid ORDER BY service
