-- The worker processes that live, for operators.
SELECT worker_id, host, pid, started_at, renewed_at FROM worker WHERE dead_at IS NULL ORDER BY worker_id LIMIT 500
