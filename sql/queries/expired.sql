-- Invocations past their deadline without an outcome, oldest first. `low` is where the last scan ended. One whose
-- callback is arriving is left alone for a while.
SELECT i.job_id, i.service, i.call, i.attempts, i.unsure, i.claim, i.acknowledged_at IS NOT NULL AS acknowledged,
       i.last_status, i.last_reason, i.deadline_at, j.correlation_id, j.route
FROM (SELECT * FROM invocation
      WHERE outcome IS NULL AND deadline_at <= now() AND deadline_at >= $3::timestamptz
        AND (receiving_until IS NULL OR receiving_until <= now())
        AND job_id BETWEEN $1::uuid AND $2::uuid
      ORDER BY deadline_at LIMIT $4::int) i
JOIN job j ON j.job_id = i.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
ORDER BY i.deadline_at
