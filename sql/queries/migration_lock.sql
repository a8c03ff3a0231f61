-- One migration at a time; the others wait here and then find it done. A session lock: use a direct connection.
SELECT pg_advisory_lock(hashtext('sidecar migrations'))
