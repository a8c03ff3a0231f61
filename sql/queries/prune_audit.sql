-- Forget what operators did longer ago than the retention (seconds), a bounded number at a time.
WITH c AS MATERIALIZED (
    SELECT id FROM audit WHERE at < now() - make_interval(secs => $1::float8) ORDER BY at LIMIT 1000 FOR UPDATE SKIP LOCKED
)
DELETE FROM audit a USING c WHERE a.id = c.id
RETURNING 1 AS removed
