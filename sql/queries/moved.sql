-- Name the stored object that a retry's body was copied to. No row: another's copy is named, or the retry is over; the
-- object is nobody's then.
WITH u AS (
    UPDATE oas_webhook_retry SET object = $3::bytea
    WHERE job_id = $1::uuid AND service = $2::text AND object IS NULL AND state = 'pending'
    RETURNING job_id, service, object
)
INSERT INTO stored_object (job_id, service, object, created_at)
SELECT job_id, service, object, now() FROM u
ON CONFLICT (job_id, service) DO UPDATE SET object = excluded.object, created_at = excluded.created_at, doomed_at = NULL
RETURNING 1 AS named
