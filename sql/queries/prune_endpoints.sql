-- Forget endpoints that have been there again, or of which nothing was heard, for a while (seconds). And those that are away, were
-- not probed for an hour, and for which nothing waits: every replica reads all that are away, each second.
DELETE FROM endpoint e WHERE (e.held_until IS NULL OR e.held_until < now() - make_interval(secs => $1::float8)) AND e.endpoint IN (
    SELECT endpoint FROM (
        (SELECT endpoint FROM endpoint
         WHERE state = 'closed' AND closed_at < now() - make_interval(secs => $1::float8) ORDER BY closed_at LIMIT 1000)
        UNION ALL
        (SELECT endpoint FROM endpoint
         WHERE state <> 'closed' AND open_until < now() - make_interval(secs => $1::float8)
         ORDER BY open_until LIMIT 1000)
        UNION ALL
        (SELECT endpoint FROM endpoint a
         WHERE a.state <> 'closed' AND a.open_until < now() - interval '1 hour'
           AND NOT EXISTS (SELECT FROM oas_webhook_retry r
                           WHERE r.endpoint = a.endpoint AND r.state = 'pending' AND r.worker IS NULL)
           AND NOT EXISTS (SELECT FROM delivery d
                           WHERE d.endpoint = a.endpoint AND d.state = 'open' AND d.worker IS NULL)
         ORDER BY a.open_until LIMIT 1000)) old)
RETURNING 1 AS removed
