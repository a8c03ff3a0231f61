-- Jobs, newest first, and how far they got. Each filter that is null lets all pass. A page looks at no more than so many
-- jobs of its days, whatever they are, so that nobody can ask for more than that; a correlation id has an index.
-- One row at least: `looked` and `last` tell how far the look came.
WITH j AS MATERIALIZED (
    SELECT job_id, correlation_id, application, route, method, callback_url, endpoint, gather, services_total, state,
           created_at, deadline_at
    FROM job
    WHERE job_id BETWEEN $1::uuid AND $2::uuid AND ($3::text IS NULL OR correlation_id = $3::text)
    ORDER BY job_id DESC LIMIT $4::int
), s AS (
    SELECT j.*, i.services_open, d.messages_open, d.messages_failed, d.messages_delivered,
           CASE WHEN j.state = 'failed' THEN 'refused'
                WHEN j.state = 'cancelled' THEN 'cancelled'
                WHEN d.messages_failed > 0 THEN 'failed'
                WHEN i.services_open > 0 THEN 'running'
                WHEN d.messages_retrying > 0 THEN 'retrying'
                WHEN d.messages_open > 0 THEN 'delivering'
                WHEN d.messages_cancelled > 0 THEN 'cancelled'
                ELSE 'done' END AS progress
    FROM j CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE outcome IS NULL)::int AS services_open
        FROM invocation WHERE job_id = j.job_id AND job_id BETWEEN $1::uuid AND $2::uuid
    ) i CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE d.state IN ('open', 'retrying'))::int AS messages_open,
               count(*) FILTER (WHERE d.state = 'retrying')::int AS messages_retrying,
               count(*) FILTER (WHERE d.state = 'failed')::int AS messages_failed,
               count(*) FILTER (WHERE d.state = 'delivered')::int AS messages_delivered,
               count(*) FILTER (WHERE d.state = 'cancelled')::int AS messages_cancelled
        FROM delivery d WHERE d.job_id = j.job_id AND d.job_id BETWEEN $1::uuid AND $2::uuid
    ) d
    WHERE ($5::text IS NULL OR j.route = $5::text) AND ($6::text IS NULL OR j.application = $6::text)
), f AS (
    SELECT * FROM s WHERE $7::text IS NULL OR progress = $7::text ORDER BY job_id DESC LIMIT $8::int
)
SELECT m.looked, m.last, f.*
FROM (SELECT count(*)::int AS looked, (SELECT job_id FROM j ORDER BY job_id LIMIT 1) AS last FROM j) m
LEFT JOIN f ON true
ORDER BY f.job_id DESC
