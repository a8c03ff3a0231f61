-- Give up messages whose first attempt did not end yet.
WITH c AS MATERIALIZED (
    SELECT d.job_id, d.service FROM delivery d
    JOIN job j ON j.job_id = d.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    WHERE d.job_id BETWEEN $1::uuid AND $2::uuid AND d.state = 'open'
      AND ($4::uuid IS NULL OR d.job_id = $4::uuid) AND ($5::text IS NULL OR d.service = $5::text)
      AND ($6::text IS NULL OR j.correlation_id = $6::text) AND ($7::text IS NULL OR j.route = $7::text)
      AND ($8::text IS NULL OR d.endpoint = $8::text) AND ($9::text IS NULL OR d.last_reason = $9::text)
      AND ($10::text IS NULL OR d.state = $10::text)
      AND ($11::timestamptz IS NULL OR coalesce(d.finished_at, d.due_at) >= $11::timestamptz)
      AND ($12::timestamptz IS NULL OR coalesce(d.finished_at, d.due_at) < $12::timestamptz)
    ORDER BY d.job_id, d.service LIMIT $3::int FOR NO KEY UPDATE OF d
), u AS (
    UPDATE delivery d SET state = 'cancelled', worker = NULL, last_reason = 'cancelled', finished_at = now()
    FROM c WHERE d.job_id = c.job_id AND d.service = c.service AND d.job_id BETWEEN $1::uuid AND $2::uuid
    RETURNING d.job_id
), a AS (
    INSERT INTO audit (actor, role, action, target, detail)
    SELECT $13::text, $14::text, 'cancel', $15::text,
           $16::jsonb || jsonb_build_object('count', count(*), 'jobs', jsonb_agg(DISTINCT u.job_id))
    FROM u HAVING count(*) > 0
)
SELECT 1 AS cancelled FROM u
