-- What is known of some endpoints: circuit, hold, and what waits there, counted up to a bound.
SELECT n.name AS endpoint, coalesce(e.state, 'closed') AS circuit,
       e.state = 'paused' AND e.open_until <= now() AS pause_over,
       CASE WHEN e.state <> 'closed' OR e.openings > 0 OR e.reason <> 'held' THEN e.reason END AS reason,
       coalesce(e.openings, 0) AS openings,
       CASE WHEN e.state <> 'closed' THEN e.opened_at END AS opened_at,
       CASE WHEN e.state <> 'closed' THEN e.open_until END AS open_until,
       coalesce(e.probe_until > now(), false) AS probing,
       coalesce(e.held_until > now(), false) AS held, e.held_at, e.held_by, e.held_reason,
       CASE WHEN e.held_until <> 'infinity' THEN e.held_until END AS held_until,
       (SELECT count(*)::int FROM (
           SELECT 1 FROM delivery WHERE state = 'open' AND worker IS NULL AND endpoint = n.name
                                    AND job_id BETWEEN $1::uuid AND $2::uuid LIMIT $4::int) x) AS waiting,
       (SELECT count(*)::int FROM (
           SELECT 1 FROM oas_webhook_retry
           WHERE state = 'pending' AND worker IS NULL AND endpoint = n.name LIMIT $4::int) x) AS retrying,
       least((SELECT due_at FROM delivery WHERE state = 'open' AND worker IS NULL AND endpoint = n.name
                AND job_id BETWEEN $1::uuid AND $2::uuid ORDER BY due_at LIMIT 1),
             (SELECT next_attempt_at FROM oas_webhook_retry
              WHERE state = 'pending' AND worker IS NULL AND endpoint = n.name ORDER BY next_attempt_at LIMIT 1))
           AS oldest_due
FROM unnest($3::text[]) AS n (name) LEFT JOIN endpoint e ON e.endpoint = n.name
ORDER BY n.name
