-- Forget expired idempotency keys, a bounded number at a time.
WITH c AS MATERIALIZED (
    SELECT scope, key FROM idempotency WHERE expires_at < now() ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency k USING c WHERE k.scope = c.scope AND k.key = c.key
RETURNING 1 AS removed
