-- The messages of one job for operators, never bodies. Why one waits for its first attempt is told as for retries.
SELECT d.service, d.kind, d.status, d.state, d.attempts, d.worker, d.claimed_at, d.due_at, d.last_status, d.last_reason,
       d.created_at, d.finished_at,
       CASE WHEN d.state <> 'open' THEN NULL
            WHEN d.worker IS NOT NULL THEN 'being_sent'
            WHEN e.held_until > now() THEN 'endpoint_held'
            WHEN e.state = 'open' THEN 'circuit_open'
            WHEN e.state = 'paused' AND e.open_until > now() THEN 'endpoint_paused'
            WHEN d.due_at > now() THEN 'backoff'
            ELSE 'turn' END AS waits_for
FROM delivery d LEFT JOIN endpoint e ON e.endpoint = d.endpoint
WHERE d.job_id = $1::uuid ORDER BY d.service
