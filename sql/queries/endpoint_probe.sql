-- Lease the one probe of an open endpoint for some seconds. No row: it is not yet time, or another has the lease.
UPDATE endpoint SET probe_worker = $2::bigint, probe_until = now() + make_interval(secs => $3::float8)
WHERE endpoint = $1::text AND state = 'open' AND open_until <= now()
  AND (probe_until IS NULL OR probe_until < now())
RETURNING 1 AS leased
