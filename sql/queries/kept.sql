-- Name the stored object that a small body was copied to because its webhook would not take it directly, so that it is
-- removed when it is over. The answer is the object that counts: one that stood already, or this one.
INSERT INTO stored_object AS s (job_id, service, object, created_at)
VALUES ($1::uuid, $2::text, $3::bytea, now())
ON CONFLICT (job_id, service) DO UPDATE SET
    object = CASE WHEN s.doomed_at IS NULL THEN s.object ELSE excluded.object END,
    created_at = CASE WHEN s.doomed_at IS NULL THEN s.created_at ELSE excluded.created_at END, doomed_at = NULL
RETURNING object
