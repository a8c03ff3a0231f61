-- What makes a run comparable, and how much write-ahead log there has been.
SELECT current_setting('server_version') AS version,
       current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8 AS wal
