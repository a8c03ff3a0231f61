-- An orderly end: whatever this worker still owns is due for others at once. It may have reached its service.
UPDATE invocation SET worker = NULL, unsure = true, next_attempt_at = now()
WHERE outcome IS NULL AND worker = $3::bigint AND job_id BETWEEN $1::uuid AND $2::uuid
RETURNING 1 AS freed
