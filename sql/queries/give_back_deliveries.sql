-- Free deliveries that a worker owns and does not know of: a commit whose answer was lost. Fenced by owner and claim.
UPDATE delivery d SET
    worker = NULL, takeovers = d.takeovers + 1, due_at = now(),
    state = CASE WHEN d.takeovers < 3 THEN 'open' ELSE 'failed' END,
    last_reason = CASE WHEN d.takeovers < 3 THEN d.last_reason ELSE 'crashed_workers' END,
    finished_at = CASE WHEN d.takeovers < 3 THEN NULL ELSE now() END
FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::int[]) AS c (job_id, service, worker, claim)
WHERE d.job_id = c.job_id AND d.service = c.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
  AND d.worker = c.worker AND d.claim = c.claim AND d.state = 'open'
RETURNING 1 AS freed
