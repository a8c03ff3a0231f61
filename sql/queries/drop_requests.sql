-- Drop the requests of these jobs, with the credentials in their headers, where every service has taken the call or has
-- ended: nobody will be called again. Jobs where that is not so are looked at later, the older the later; a request in
-- the object store becomes unwanted. And move the mark of the sweep.
WITH x AS MATERIALIZED (
    SELECT a.job_id, EXISTS (
        SELECT FROM invocation i
        WHERE i.job_id = a.job_id AND i.job_id BETWEEN $1::uuid AND $2::uuid AND i.outcome IS NULL
          AND (i.acknowledged_at IS NULL OR i.worker IS NOT NULL OR i.next_attempt_at IS NOT NULL)) AS needed
    FROM unnest($3::uuid[]) AS a (job_id)
), p AS (
    DELETE FROM payload p USING x
    WHERE p.job_id = x.job_id AND p.service = '' AND p.job_id BETWEEN $1::uuid AND $2::uuid AND NOT x.needed
    RETURNING 1
), o AS (
    UPDATE stored_object o SET unwanted_at = now() FROM x
    WHERE o.job_id = x.job_id AND o.service = '' AND o.unwanted_at IS NULL AND NOT x.needed
), k AS (
    INSERT INTO sweep_later (name, job_id, look_at)
    SELECT 'requests', x.job_id,
           now() + least(interval '1 hour', greatest(interval '10 seconds', (now() - j.created_at) / 8))
    FROM x JOIN job j ON j.job_id = x.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    WHERE x.needed ORDER BY x.job_id
    ON CONFLICT (name, job_id) DO UPDATE SET look_at = excluded.look_at
), g AS (
    DELETE FROM sweep_later l USING x
    WHERE l.name = 'requests' AND l.job_id = x.job_id AND l.job_id BETWEEN $1::uuid AND $2::uuid AND NOT x.needed
), m AS (
    UPDATE sweep SET upto = $4::uuid WHERE name = 'requests' AND upto < $4::uuid
)
SELECT count(*)::int AS dropped FROM p
