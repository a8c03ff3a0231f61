-- Endpoints that nothing should be sent to now, with the seconds that this lasts; from zero on an open one may be probed.
-- What an operator says comes before what the circuit says.
SELECT e.endpoint, CASE WHEN h.held THEN 'held' ELSE e.state END AS state,
       CASE WHEN h.held THEN e.held_reason ELSE e.reason END AS reason, e.openings,
       CASE WHEN h.held THEN e.held_at ELSE e.opened_at END AS opened_at, e.confirmed_at,
       CASE WHEN NOT h.held THEN extract(epoch FROM e.open_until - now())::float8
            WHEN e.held_until = 'infinity' THEN 'infinity'::float8
            ELSE extract(epoch FROM e.held_until - now())::float8 END AS remaining,
       coalesce(e.probe_until > now(), false) AND NOT h.held AS probing, CASE WHEN h.held THEN e.held_by END AS held_by
FROM endpoint e CROSS JOIN LATERAL (SELECT coalesce(e.held_until > now(), false) AS held) h
WHERE (e.state <> 'closed' AND (e.state = 'open' OR e.open_until > now())) OR e.held_until > now()
ORDER BY e.endpoint
