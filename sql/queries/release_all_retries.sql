-- An orderly end: whatever this worker still owns is due for others at once.
UPDATE oas_webhook_retry SET worker = NULL, next_attempt_at = now()
WHERE state = 'pending' AND worker = $1::bigint
RETURNING 1 AS freed
