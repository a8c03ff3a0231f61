-- Somebody is there again. No row: the endpoint was not away.
UPDATE endpoint SET state = 'closed', openings = 0, probe_worker = NULL, probe_until = NULL, closed_at = now()
WHERE endpoint = $1::text AND state <> 'closed'
RETURNING 1 AS closed
