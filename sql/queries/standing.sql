-- What stands for outcomes that lost: no row is an unknown invocation, a null outcome is an open one.
SELECT c.n, i.outcome, i.finished_at, p.sha256
FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS c (job_id, service, n)
JOIN invocation_p{day} i ON i.job_id = c.job_id AND i.service = c.service
LEFT JOIN payload_p{day} p ON p.job_id = c.job_id AND p.service = c.service
