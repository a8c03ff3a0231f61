-- What each of these applications has: jobs with a call or a message that has not ended, and the bytes that are kept
-- for them, in the database and in the store. Only what is open is read, by the partial indexes.
WITH o AS MATERIALIZED (
    SELECT job_id FROM invocation
    WHERE outcome IS NULL AND deadline_at >= '-infinity' AND job_id BETWEEN $1::uuid AND $2::uuid
    UNION
    SELECT job_id FROM delivery
    WHERE state = 'open' AND worker IS NULL AND due_at >= '-infinity' AND job_id BETWEEN $1::uuid AND $2::uuid
    UNION
    SELECT job_id FROM delivery
    WHERE state = 'open' AND worker IS NOT NULL AND job_id BETWEEN $1::uuid AND $2::uuid
    UNION
    SELECT job_id FROM oas_webhook_retry WHERE state = 'pending' AND job_id BETWEEN $1::uuid AND $2::uuid
)
SELECT j.application, count(*) AS jobs, coalesce(sum(p.stored), 0)::bigint AS stored
FROM o
JOIN job j ON j.job_id = o.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid AND j.application = ANY ($3::text[])
LEFT JOIN LATERAL (
    SELECT sum(octet_length(body) + coalesce(ledger_object_field(object, 'stored_size')::bigint, 0)) AS stored
    FROM payload WHERE payload.job_id = o.job_id AND job_id BETWEEN $1::uuid AND $2::uuid
) p ON true
GROUP BY j.application
