-- Store a batch of new jobs with their request, their invocations and their idempotency keys. One row for each job
-- that was stored, `n` being its place in the batch; a job that is missing lost its key to an earlier one.
-- An expired key is taken over. Keys are inserted in order, so that two batches cannot deadlock.
WITH x AS MATERIALIZED (
    SELECT x.*, now() + make_interval(secs => x.deadline) AS deadline_at
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::float8[], $11::bytea[], $12::bytea[], $13::text[], $14::text[], $15::int[],
                $16::text[], $17::text[], $18::bytea[], $19::float8[], $20::bytea[], $21::text[])
         WITH ORDINALITY AS x (job_id, correlation_id, application, route, method, callback_url, endpoint, gather,
                               deadline, headers, body, traceparent, links_base, services,
                               scope, key, fingerprint, ttl, object, upload_url, n)
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
    INSERT INTO job (job_id, correlation_id, application, route, method, callback_url, endpoint, gather,
                     services_total, open_services, traceparent, links_base, upload_url, created_at, deadline_at)
    SELECT job_id, correlation_id, application, route, method, callback_url, endpoint, gather,
           services, services, traceparent, links_base, upload_url, now(), deadline_at
    FROM a
), p AS (
    INSERT INTO payload (job_id, service, headers, body, object) SELECT job_id, '', headers, body, object FROM a
), o AS (
    INSERT INTO stored_object (job_id, service, object, created_at)
    SELECT job_id, '', object, now() FROM a WHERE object IS NOT NULL
), i AS (
    INSERT INTO invocation (job_id, service, service_key, call, worker, claim, claimed_at, next_attempt_at, deadline_at)
    SELECT a.job_id, s.service, s.service_key, s.call,
           CASE WHEN s.owned THEN $1::bigint END, s.owned::int, CASE WHEN s.owned THEN now() END,
           CASE WHEN s.owned THEN NULL ELSE now() END, a.deadline_at
    FROM a JOIN unnest($22::bigint[], $23::text[], $24::text[], $25::bytea[], $26::bool[])
                AS s (n, service, service_key, call, owned) ON s.n = a.n
)
SELECT n, now() AS created_at, deadline_at FROM a
