-- An orderly end buries itself.
UPDATE worker SET dead_at = now() WHERE worker_id = $1::bigint AND dead_at IS NULL
