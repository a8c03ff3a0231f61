-- The one statement for every outcome: callback, response, refusal, error, deadline. The first one stands
-- (`outcome IS NULL`). The winner's message is inserted with it: for gather 'each' its own, for gather 'all' the
-- aggregate when the count of open services reaches zero. Asking whether the others are done instead would lose
-- aggregates, because two statements do not see each other's outcome.
-- Locks are taken job before invocation before delivery; counting `lk` takes the job locks first.
-- One row for each winner, with its delivery if it has one, and one for each aggregate; `n` is the place in the batch.
WITH c AS MATERIALIZED (
    SELECT c.*, convert_to(c.stored, 'UTF8') AS object
    FROM ROWS FROM (json_to_recordset($6::json) AS (
             job_id uuid, service text, outcome text, status text, kind text, reason text, code int, worker bigint,
             claim int, stored text, packed bool),
             unnest($7::bytea[]), unnest($8::bytea[]), unnest($9::bytea[]))
         WITH ORDINALITY AS c (job_id, service, outcome, status, kind, reason, code, worker, claim, stored,
                               packed, headers, body, sha256, n)
), lk AS MATERIALIZED (
    SELECT job_id FROM job
    WHERE job_id = ANY ($5::uuid[]) AND job_id BETWEEN $1::uuid AND $2::uuid AND gather = 'all'
    ORDER BY job_id FOR NO KEY UPDATE
), u AS (
    UPDATE invocation i SET
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
    WHERE i.job_id = c.job_id AND i.service = c.service AND i.job_id BETWEEN $1::uuid AND $2::uuid
      AND i.outcome IS NULL
      AND (c.worker IS NULL OR (i.worker = c.worker AND i.claim = c.claim))
      AND (c.outcome <> 'refused' OR NOT i.unsure)
      AND (SELECT count(*) FROM lk) >= 0
    RETURNING i.job_id, i.service, c.status, c.kind, c.headers, c.body, c.packed, c.object, c.sha256, c.n,
              extract(epoch FROM now() - i.claimed_at)::float8 AS waited
), p AS (
    INSERT INTO payload (job_id, service, headers, body, packed, object, sha256)
    SELECT job_id, service, headers, body, packed, object, sha256 FROM u WHERE kind IS NOT NULL
), o AS (
    INSERT INTO stored_object (job_id, service, object, created_at)
    SELECT job_id, service, object, now() FROM u WHERE kind IS NOT NULL AND object IS NOT NULL
), f AS MATERIALIZED (
    SELECT job_id, endpoint, gather, callback_url, correlation_id, route, traceparent, services_total, links_base,
           upload_url
    FROM job WHERE job_id = ANY ($5::uuid[]) AND job_id BETWEEN $1::uuid AND $2::uuid
), s AS (
    SELECT job_id, count(*)::int AS ended, count(*) FILTER (WHERE status <> 'succeeded')::int AS failed
    FROM u GROUP BY job_id
), j AS (
    UPDATE job SET open_services = open_services - s.ended, failed_services = failed_services + s.failed
    FROM s WHERE job.job_id = s.job_id AND job.job_id BETWEEN $1::uuid AND $2::uuid AND job.gather = 'all'
    RETURNING job.job_id, job.open_services, job.failed_services, job.services_total, job.endpoint
), m AS (
    SELECT u.job_id, u.service, u.kind, u.status, f.endpoint
    FROM u JOIN f ON f.job_id = u.job_id WHERE f.gather = 'each' AND u.kind IS NOT NULL
    UNION ALL
    SELECT job_id, '', 'aggregate', CASE failed_services WHEN 0 THEN 'succeeded' WHEN services_total THEN 'failed'
                                                         ELSE 'partial' END, endpoint
    FROM j WHERE open_services = 0
), d AS (
    INSERT INTO delivery (job_id, service, kind, status, endpoint, state, worker, claim, claimed_at, due_at, created_at)
    SELECT m.job_id, m.service, m.kind, m.status, m.endpoint, 'open', w.worker, (w.worker IS NOT NULL)::int,
           CASE WHEN w.worker IS NOT NULL THEN now() END, now(), now()
    FROM m CROSS JOIN LATERAL (SELECT CASE WHEN m.endpoint = ANY ($4::text[]) THEN NULL ELSE $3::bigint END AS worker) w
    RETURNING job_id, service, status, worker
)
SELECT u.n, u.waited, d.job_id, d.service, d.status, d.worker,
       f.endpoint, f.callback_url, f.correlation_id, f.route, f.traceparent, f.services_total,
       f.links_base, f.upload_url
FROM u FULL JOIN d ON d.job_id = u.job_id AND d.service = u.service
LEFT JOIN f ON f.job_id = coalesce(d.job_id, u.job_id)
