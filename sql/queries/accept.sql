-- Store a batch of new jobs of one day with their request, their invocations and their idempotency keys. One row for each job
-- that was stored, `n` being its place in the batch; a job that is missing lost its key to an earlier one.
-- `calls` are those of each job, in a list of its own: batches are joined with nothing.
-- An expired key is taken over. Keys are inserted in order, so that two batches cannot deadlock.
WITH x AS MATERIALIZED (
    SELECT x.*, now() + make_interval(secs => x.deadline) AS deadline_at, convert_to(x.stored, 'UTF8') AS object,
           decode(x.digest, 'hex') AS fingerprint
    FROM ROWS FROM (json_to_recordset($2::json) AS (
             job_id uuid, correlation_id text, application text, route text, method text, callback_url text,
             endpoint text, gather text, deadline float8, traceparent text, links_base text, upload_url text,
             stored text, services int, scope text, key text, digest text, ttl float8, packed bool, calls json),
             unnest($3::bytea[]), unnest($4::bytea[]))
         WITH ORDINALITY AS x (job_id, correlation_id, application, route, method, callback_url, endpoint, gather,
                               deadline, traceparent, links_base, upload_url, stored, services, scope, key, digest, ttl,
                               packed, calls, headers, body, n)
), k AS (
    INSERT INTO idempotency (scope, key, job_id, fingerprint, expires_at)
    SELECT scope, key, job_id, fingerprint, now() + make_interval(secs => ttl)
    FROM x WHERE key IS NOT NULL ORDER BY scope, key
    ON CONFLICT (scope, key) DO UPDATE
        SET job_id = excluded.job_id, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at
        WHERE idempotency.expires_at < now()
    RETURNING job_id
), a AS MATERIALIZED (
    SELECT * FROM x WHERE key IS NULL OR EXISTS (SELECT FROM k WHERE k.job_id = x.job_id)
), j AS (
    INSERT INTO job_p{day} (job_id, correlation_id, application, route, method, callback_url, endpoint, gather,
                            services_total, open_services, traceparent, links_base, upload_url, created_at, deadline_at)
    SELECT job_id, correlation_id, application, route, method, callback_url, endpoint, gather,
           services, services, traceparent, links_base, upload_url, now(), deadline_at
    FROM a
), p AS (
    INSERT INTO payload_p{day} (job_id, service, headers, body, packed, object)
    SELECT job_id, '', headers, body, packed, object FROM a
), o AS (
    INSERT INTO stored_object (job_id, service, object, created_at)
    SELECT job_id, '', object, now() FROM a WHERE object IS NOT NULL
), i AS (
    INSERT INTO invocation_p{day} (job_id, service, service_key, call, worker, claim, claimed_at, next_attempt_at,
                                   deadline_at)
    SELECT a.job_id, s.service, s.service_key, convert_to(s.call::text, 'UTF8'),
           CASE WHEN s.owned THEN $1::bigint END, s.owned::int, CASE WHEN s.owned THEN now() END,
           CASE WHEN s.owned THEN NULL ELSE now() END, a.deadline_at
    FROM a CROSS JOIN LATERAL json_to_recordset(a.calls)
                              AS s (service text, service_key text, call json, owned bool)
)
SELECT n, now() AS created_at, deadline_at FROM a
