-- Bury a worker, unless it beat since it was observed.
UPDATE worker SET dead_at = now() WHERE worker_id = $1::bigint AND beat = $2::bigint AND dead_at IS NULL
