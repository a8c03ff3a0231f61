-- Hold an endpoint because an operator says so, for some seconds or (null) until resumed. Its circuit stays as it is.
WITH h AS (
    INSERT INTO endpoint AS e (endpoint, state, reason, opened_at, confirmed_at, open_until, closed_at,
                               held_at, held_by, held_reason, held_until)
    VALUES ($1::text, 'closed', 'held', now(), now(), now(), now(), now(), $4::text, $3::text,
            coalesce(now() + make_interval(secs => $2::float8), 'infinity'))
    ON CONFLICT (endpoint) DO UPDATE SET held_at = now(), held_by = excluded.held_by,
        held_reason = excluded.held_reason, held_until = excluded.held_until
    RETURNING e.held_until
), a AS (
    INSERT INTO audit (actor, role, action, target, detail)
    SELECT $4::text, $5::text, 'pause', $1::text, jsonb_build_object('reason', $3::text, 'seconds', $2::float8) FROM h
)
SELECT 1 AS held FROM h
