-- Free invocations that a worker owns and does not know of: a commit whose answer was lost. Fenced by owner and claim.
UPDATE invocation i SET
    worker = NULL, takeovers = i.takeovers + 1, unsure = true,
    next_attempt_at = CASE WHEN i.takeovers < 3 THEN now() END
FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::int[]) AS c (job_id, service, worker, claim)
WHERE i.job_id = c.job_id AND i.service = c.service AND i.job_id BETWEEN $1::uuid AND $2::uuid
  AND i.worker = c.worker AND i.claim = c.claim AND i.outcome IS NULL
RETURNING 1 AS freed
