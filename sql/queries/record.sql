-- The one statement for every outcome of a day's jobs: callback, response, refusal, error, deadline. The first one stands
-- (`outcome IS NULL`). The winner's message is inserted with it: for gather 'each' its own, for gather 'all' the
-- aggregate when the count of open services reaches zero. Asking whether the others are done instead would lose
-- aggregates, because two statements do not see each other's outcome.
-- Locks are taken job before invocation before delivery; counting `lk` takes the job locks first.
-- One row for each winner, with its delivery if it has one, and one for each aggregate; `n` is the place in the batch.
WITH c AS MATERIALIZED (
    SELECT c.*, convert_to(c.stored, 'UTF8') AS object
    FROM ROWS FROM (json_to_recordset($4::json) AS (
             job_id uuid, service text, outcome text, status text, kind text, reason text, code int, worker bigint,
             claim int, stored text, packed bool),
             unnest($5::bytea[]), unnest($6::bytea[]), unnest($7::bytea[]))
         WITH ORDINALITY AS c (job_id, service, outcome, status, kind, reason, code, worker, claim, stored,
                               packed, headers, body, sha256, n)
), lk AS MATERIALIZED (
    SELECT job_id FROM job_p{day}
    WHERE job_id = ANY ($3::uuid[]) AND gather = 'all'
    ORDER BY job_id FOR NO KEY UPDATE
), u AS (
    UPDATE invocation_p{day} i SET
        outcome = c.outcome, status = c.status, kind = c.kind, worker = NULL, next_attempt_at = NULL,
        attempts = i.attempts + (i.worker IS NOT NULL)::int,
        acknowledged_at = CASE WHEN c.outcome IN ('result', 'acknowledged') THEN coalesce(i.acknowledged_at, now())
                               ELSE i.acknowledged_at END,
        -- What an acknowledgement that nobody stored would have replaced: no status is better than that of an earlier call.
        last_status = CASE WHEN c.outcome = 'result' AND i.acknowledged_at IS NULL THEN c.code
                           ELSE coalesce(c.code, i.last_status) END,
        last_reason = CASE WHEN c.outcome IN ('result', 'acknowledged') THEN c.reason
                           ELSE coalesce(c.reason, i.last_reason) END,
        finished_at = now()
    FROM c
    WHERE i.job_id = c.job_id AND i.service = c.service
      AND CASE WHEN i.outcome IS NULL THEN true END
      AND (c.worker IS NULL OR (i.worker = c.worker AND i.claim = c.claim))
      AND (c.outcome <> 'refused' OR NOT i.unsure)
      AND (SELECT count(*) FROM lk) >= 0
    RETURNING i.job_id, i.service, c.status, c.kind, c.headers, c.body, c.packed, c.object, c.sha256, c.n,
              extract(epoch FROM now() - i.claimed_at)::float8 AS waited
), p AS (
    INSERT INTO payload_p{day} (job_id, service, headers, body, packed, object, sha256)
    SELECT job_id, service, headers, body, packed, object, sha256 FROM u WHERE kind IS NOT NULL
), o AS (
    INSERT INTO stored_object (job_id, service, object, created_at)
    SELECT job_id, service, object, now() FROM u WHERE kind IS NOT NULL AND object IS NOT NULL
), x AS MATERIALIZED (
    SELECT u.n, u.waited, u.job_id, u.service, u.kind, u.status, b.gather = 'each' AND u.kind IS NOT NULL AS told,
           b.endpoint, b.callback_url, b.correlation_id, b.route, b.traceparent, b.services_total, b.links_base,
           b.upload_url
    FROM u JOIN job_p{day} b ON b.job_id = u.job_id
), s AS (
    SELECT job_id, count(*)::int AS ended, count(*) FILTER (WHERE status <> 'succeeded')::int AS failed
    FROM u GROUP BY job_id
), j AS (
    UPDATE job_p{day} b SET open_services = open_services - s.ended, failed_services = failed_services + s.failed
    FROM s WHERE b.job_id = s.job_id AND b.gather = 'all'
    RETURNING b.*
), m AS (
    SELECT n, waited, job_id, service, kind, status, endpoint, callback_url, correlation_id, route, traceparent,
           services_total, links_base, upload_url
    FROM x WHERE told
    UNION ALL
    SELECT NULL, NULL, job_id, '', 'aggregate',
           CASE failed_services WHEN 0 THEN 'succeeded' WHEN services_total THEN 'failed' ELSE 'partial' END,
           endpoint, callback_url, correlation_id, route, traceparent, services_total, links_base, upload_url
    FROM j WHERE open_services = 0
), w AS MATERIALIZED (
    SELECT m.*, CASE WHEN endpoint = ANY ($2::text[]) THEN NULL ELSE $1::bigint END AS worker FROM m
), d AS (
    INSERT INTO delivery_p{day} (job_id, service, kind, status, endpoint, state, worker, claim, claimed_at, due_at,
                                 created_at)
    SELECT job_id, service, kind, status, endpoint, 'open', worker, (worker IS NOT NULL)::int,
           CASE WHEN worker IS NOT NULL THEN now() END, now(), now()
    FROM w
)
SELECT n, waited, job_id, service, status, worker, endpoint, callback_url, correlation_id, route, traceparent,
       services_total, links_base, upload_url
FROM w
UNION ALL
SELECT n, waited, NULL, NULL, NULL, NULL, NULL, NULL, NULL, route, traceparent, NULL, NULL, NULL
FROM x WHERE NOT told
