-- Pause an endpoint for some seconds because it asked for that. No row: it is away for as long already.
INSERT INTO endpoint AS e (endpoint, state, reason, opened_at, confirmed_at, open_until)
VALUES ($1::text, 'paused', $3::text, now(), now(), now() + make_interval(secs => $2::float8))
ON CONFLICT (endpoint) DO UPDATE SET
    state = 'paused', reason = excluded.reason, openings = 0, opened_at = now(), confirmed_at = now(),
    open_until = excluded.open_until, probe_worker = NULL, probe_until = NULL, closed_at = NULL
WHERE e.state = 'closed' OR (e.state = 'paused' AND e.open_until < excluded.open_until)
RETURNING 1 AS paused
