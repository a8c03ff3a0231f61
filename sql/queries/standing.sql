-- What stands for outcomes that lost: no row is an unknown invocation, a null outcome is an open one.
SELECT c.n, i.outcome, i.finished_at, p.sha256
FROM unnest($3::uuid[], $4::text[]) WITH ORDINALITY AS c (job_id, service, n)
JOIN invocation i ON i.job_id = c.job_id AND i.service = c.service AND i.job_id BETWEEN $1::uuid AND $2::uuid
LEFT JOIN payload p ON p.job_id = c.job_id AND p.service = c.service AND p.job_id BETWEEN $1::uuid AND $2::uuid
