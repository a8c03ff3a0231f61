-- Add due retries with their jobs, bodies and deliveries: $2 rows, numbered from $1 on, dealt out to the endpoints $3 in
-- turn, due one after the other in the $7 seconds before $6 (a Unix time). Bodies have $4 bytes. With a bucket ($5) each row names an object, as it does once
-- its body was moved.
WITH x AS MATERIALIZED (
    SELECT n, ($3::text[])[1 + (n - $1::int) % cardinality($3::text[])] AS endpoint,
           (left(ledger_id_floor(now())::text, 13) || lpad(to_hex(n), 20, '0'))::uuid AS job_id,
           to_timestamp($6::float8 - $7::float8 * (1 - (n - $1::int)::float8 / $2::int)) AS due
    FROM generate_series($1::int, $1::int + $2::int - 1) n
), b AS MATERIALIZED (
    SELECT convert_to(rpad('{"result":"', $4::int - 2, 'result ') || '"}', 'UTF8') AS body
), j AS (
    INSERT INTO job (job_id, correlation_id, application, route, method, callback_url, endpoint, gather, services_total,
                     open_services, links_base, created_at, deadline_at)
    SELECT job_id, 'bench-' || n, 'bench', '/bench', 'POST', endpoint || '/results', endpoint, 'each', 1, 1,
           'http://127.0.0.1', now(), now() + interval '1 hour' FROM x
), p AS (
    INSERT INTO payload (job_id, service, headers, body)
    SELECT job_id, 'work', convert_to(E'content-type: application/json\r\n', 'UTF8'), body FROM x, b
), d AS (
    INSERT INTO delivery (job_id, service, kind, status, endpoint, state, claim, attempts, due_at, created_at)
    SELECT job_id, 'work', 'direct', 'succeeded', endpoint, 'retrying', 1, 1, due, now() FROM x
)
INSERT INTO oas_webhook_retry (job_id, service, correlation_id, route, kind, status, callback_url, endpoint,
                               services_total, message_id, object, attempts, first_failed_at, next_attempt_at,
                               last_attempt_at, last_status, last_reason, created_at)
SELECT job_id, 'work', 'bench-' || n, '/bench', 'direct', 'succeeded', endpoint || '/results', endpoint, 1,
       job_id || ':work:succeeded',
       CASE WHEN $5::text IS NOT NULL THEN convert_to(json_build_object(
           'bucket', $5::text, 'key', 'bench/' || job_id, 'size', $4::int, 'sha256', encode(sha256(body), 'hex'),
           'stored_size', $4::int, 'stored_sha256', encode(sha256(body), 'hex'), 'coding', NULL, 'etag', 'e')::text, 'UTF8')
       END,
       1, now() - interval '1 hour', due, now() - interval '1 hour', 503, 'status', now()
FROM x, b
