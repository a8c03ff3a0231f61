-- Take a named lease for a number of seconds, or renew one's own. No row: another holds it.
INSERT INTO lease (name, holder, until) VALUES ($1::text, $2::bigint, now() + make_interval(secs => $3::float8))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE lease.until < now() OR lease.holder = excluded.holder
RETURNING name
