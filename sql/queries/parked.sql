-- Invocations that were taken over more than three times: nobody may claim them again.
SELECT i.job_id, i.service, i.call, i.attempts, i.unsure, i.claim, i.acknowledged_at IS NOT NULL AS acknowledged,
       i.last_status, i.last_reason, i.deadline_at, j.correlation_id, j.route
FROM (SELECT * FROM invocation
      WHERE outcome IS NULL AND takeovers > 3 AND worker IS NULL AND job_id BETWEEN $1::uuid AND $2::uuid
      ORDER BY takeovers LIMIT $3::int) i
JOIN job j ON j.job_id = i.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
