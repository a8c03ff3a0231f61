-- Note that a job is erased, now that its objects are removed, and forget those. No row: it was noted before.
WITH o AS (
    DELETE FROM stored_object WHERE job_id = $1::uuid AND unwanted_at IS NOT NULL
)
UPDATE job SET erased_at = now() WHERE job_id = $1::uuid AND erased_at IS NULL
RETURNING 1 AS erased
