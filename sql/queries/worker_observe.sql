-- The beats of the others.
SELECT worker_id, beat FROM worker WHERE dead_at IS NULL AND worker_id <> $1::bigint
