-- Doom stored objects that are older than a retention (seconds) and that no open work needs: from here on nothing may begin
-- to rely on them. Those that somebody doomed ten minutes ago and did not remove are told again.
WITH c AS MATERIALIZED (
    SELECT o.job_id, o.service FROM stored_object o
    WHERE o.created_at < now() - make_interval(secs => $3::float8) AND o.job_id BETWEEN $1::uuid AND $2::uuid
      AND (o.doomed_at IS NULL OR o.doomed_at < now() - interval '10 minutes')
      AND NOT EXISTS (SELECT FROM oas_webhook_retry r WHERE r.job_id = o.job_id AND (
                          r.state = 'pending' OR r.finished_at >= now() - make_interval(secs => $3::float8)))
      AND NOT EXISTS (SELECT FROM invocation i WHERE i.job_id = o.job_id AND i.outcome IS NULL
                      AND i.job_id BETWEEN $1::uuid AND $2::uuid)
      AND NOT EXISTS (SELECT FROM delivery d WHERE d.job_id = o.job_id AND d.job_id BETWEEN $1::uuid AND $2::uuid AND (
                          d.finished_at IS NULL OR d.finished_at >= now() - make_interval(secs => $3::float8)))
    ORDER BY o.created_at LIMIT $4::int FOR UPDATE SKIP LOCKED
)
UPDATE stored_object o SET doomed_at = now() FROM c WHERE o.job_id = c.job_id AND o.service = c.service
RETURNING o.job_id, o.service, o.object
