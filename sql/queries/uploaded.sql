-- Remember what became of the caller's own upload-url, and forget the permission that it was.
UPDATE job SET uploaded = $2::bytea, upload_url = NULL WHERE job_id = $1::uuid AND uploaded IS NULL
RETURNING 1 AS remembered
