-- An orderly end: whatever this worker still owns is due for others at once.
UPDATE delivery SET worker = NULL, due_at = now()
WHERE state = 'open' AND worker = $3::bigint AND job_id BETWEEN $1::uuid AND $2::uuid
RETURNING 1 AS freed
