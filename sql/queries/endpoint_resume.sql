-- End what keeps messages from an endpoint: an operator's hold, a pause that it asked for; an open circuit may be probed at
-- once. No row: nothing kept them.
WITH h AS (
    UPDATE endpoint SET
        held_until = least(held_until, now()), open_until = least(open_until, now()),
        state = CASE state WHEN 'paused' THEN 'closed' ELSE state END,
        closed_at = CASE state WHEN 'paused' THEN now() ELSE closed_at END
    WHERE endpoint = $1::text AND (held_until > now() OR state <> 'closed' AND open_until > now())
    RETURNING state
), a AS (
    INSERT INTO audit (actor, role, action, target, detail)
    SELECT $2::text, $3::text, 'resume', $1::text, jsonb_build_object('circuit', state) FROM h
)
SELECT 1 AS resumed FROM h
