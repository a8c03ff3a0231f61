-- Forget endpoints that have been there again, or of which nothing was heard, for a while (seconds).
DELETE FROM endpoint e WHERE (e.held_until IS NULL OR e.held_until < now() - make_interval(secs => $1::float8)) AND e.endpoint IN (
    SELECT endpoint FROM (
        (SELECT endpoint FROM endpoint
         WHERE state = 'closed' AND closed_at < now() - make_interval(secs => $1::float8) ORDER BY closed_at LIMIT 1000)
        UNION ALL
        (SELECT endpoint FROM endpoint
         WHERE state <> 'closed' AND open_until < now() - make_interval(secs => $1::float8)
         ORDER BY open_until LIMIT 1000)) old)
RETURNING 1 AS removed
