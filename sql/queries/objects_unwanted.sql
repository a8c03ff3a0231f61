-- Doom stored objects that nobody will ask for, whatever their age. Those that somebody doomed ten minutes ago and did not
-- remove are told again.
WITH c AS MATERIALIZED (
    SELECT job_id, service FROM stored_object
    WHERE unwanted_at IS NOT NULL AND (doomed_at IS NULL OR doomed_at < now() - interval '10 minutes')
    ORDER BY unwanted_at LIMIT $1::int FOR UPDATE SKIP LOCKED
)
UPDATE stored_object o SET doomed_at = now() FROM c WHERE o.job_id = c.job_id AND o.service = c.service
RETURNING o.job_id, o.service, o.object
