-- Forget stored objects that were removed from the store. Retries that ended forget them too: a redrive begins with the
-- body in payload, if that is still there.
WITH g AS (
    DELETE FROM stored_object o USING unnest($1::uuid[], $2::text[], $3::bytea[]) AS c (job_id, service, object)
    WHERE o.job_id = c.job_id AND o.service = c.service AND o.object = c.object AND o.doomed_at IS NOT NULL
    RETURNING o.job_id, o.service, o.object
), r AS (
    UPDATE oas_webhook_retry r SET object = NULL FROM g
    WHERE r.job_id = g.job_id AND r.service = g.service AND r.object = g.object AND r.state <> 'pending'
)
SELECT 1 AS forgotten FROM g
