-- A new worker. Its id is never used again.
INSERT INTO worker (host, pid) VALUES ($1::text, $2::int)
RETURNING worker_id, extract(epoch FROM now())::float8 AS epoch
