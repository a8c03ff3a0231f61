-- The parts of an aggregate: every service of the job, with its body where it has one, and the copy in the object store
-- that was made of a small one.
SELECT i.service, i.outcome, coalesce(i.status, 'failed') AS status, i.kind, i.last_reason, i.finished_at,
       coalesce(p.headers, ''::bytea) AS headers, coalesce(p.body, ''::bytea) AS body, p.packed, p.object,
       CASE WHEN p.object IS NULL THEN o.object END AS copy,
       i.kind IS NOT NULL AND p.object IS NULL AND (p.job_id IS NULL OR p.dropped_at IS NOT NULL) AS gone
FROM invocation i LEFT JOIN payload p ON p.job_id = $1::uuid AND p.service = i.service
LEFT JOIN stored_object o ON o.job_id = $1::uuid AND o.service = i.service AND o.doomed_at IS NULL
WHERE i.job_id = $1::uuid ORDER BY i.service
