-- Name the stored object that a retry's body was copied to. No row: another copy is named, or the retry is over; the
-- object is nobody's then. A copy that was made for a first attempt stays the one that is named.
WITH u AS (
    UPDATE oas_webhook_retry SET object = coalesce(
        (SELECT o.object FROM stored_object o
         WHERE o.job_id = $1::uuid AND o.service = $2::text AND o.doomed_at IS NULL), $3::bytea)
    WHERE job_id = $1::uuid AND service = $2::text AND object IS NULL AND state = 'pending'
    RETURNING job_id, service, object
), s AS (
    INSERT INTO stored_object (job_id, service, object, created_at)
    SELECT job_id, service, object, now() FROM u
    ON CONFLICT (job_id, service) DO UPDATE SET
        object = excluded.object, created_at = excluded.created_at, doomed_at = NULL
)
SELECT 1 AS named FROM u WHERE object = $3::bytea
