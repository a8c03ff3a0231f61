-- Which jobs hold these idempotency keys.
SELECT c.n, k.job_id, k.fingerprint
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS c (scope, key, n)
JOIN idempotency k ON k.scope = c.scope AND k.key = c.key
