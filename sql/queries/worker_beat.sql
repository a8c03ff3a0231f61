-- Say that this worker lives, and ask the time. No row: it was buried.
UPDATE worker SET beat = beat + 1, renewed_at = now() WHERE worker_id = $1::bigint AND dead_at IS NULL
RETURNING beat, extract(epoch FROM now())::float8 AS epoch
