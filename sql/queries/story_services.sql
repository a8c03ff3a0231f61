-- The invocations of one job for operators, never bodies.
SELECT service, outcome, status, kind, attempts, unsure, takeovers, worker, claimed_at, next_attempt_at, acknowledged_at,
       receiving_until > now() AS receiving, deadline_at, last_status, last_reason, coalesce(history, '[]') AS history,
       finished_at
FROM invocation WHERE job_id = $1::uuid ORDER BY service
