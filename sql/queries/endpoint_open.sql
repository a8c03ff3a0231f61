-- Open the circuit of an endpoint for some seconds, or keep it open after a probe failed. No row: it is open already.
INSERT INTO endpoint AS e (endpoint, state, reason, openings, opened_at, confirmed_at, open_until)
VALUES ($1::text, 'open', $3::text, 1, now(), now(), now() + make_interval(secs => $2::float8))
ON CONFLICT (endpoint) DO UPDATE SET
    state = 'open', reason = excluded.reason, openings = e.openings + 1,
    opened_at = CASE e.state WHEN 'open' THEN e.opened_at ELSE now() END, confirmed_at = now(),
    open_until = excluded.open_until, probe_worker = NULL, probe_until = NULL, closed_at = NULL
WHERE e.state <> 'open' OR e.open_until <= now()
RETURNING openings
