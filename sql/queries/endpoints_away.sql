-- Endpoints that nothing should be sent to now, with the seconds that this lasts; from zero on an open one may be probed.
SELECT endpoint, state, reason, openings, opened_at, confirmed_at,
       extract(epoch FROM open_until - now())::float8 AS remaining, coalesce(probe_until > now(), false) AS probing
FROM endpoint
WHERE state <> 'closed' AND (state = 'open' OR open_until > now())
ORDER BY endpoint
