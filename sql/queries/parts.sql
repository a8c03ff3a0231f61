-- The parts of an aggregate: every service of the job, with its body where it has one.
SELECT i.service, i.outcome, coalesce(i.status, 'failed') AS status, i.kind, i.last_reason, i.finished_at,
       coalesce(p.headers, ''::bytea) AS headers, coalesce(p.body, ''::bytea) AS body, p.object
FROM invocation i LEFT JOIN payload p ON p.job_id = $1::uuid AND p.service = i.service
WHERE i.job_id = $1::uuid ORDER BY i.service
