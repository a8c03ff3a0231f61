-- What makes a run comparable, and how much write-ahead log there has been.
SELECT current_setting('server_version') AS version,
       current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit,
       (SELECT string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
        WHERE name IN ('checkpoint_timeout', 'full_page_writes', 'max_connections', 'max_wal_size', 'shared_buffers',
                       'wal_buffers', 'wal_compression', 'wal_level')) AS settings,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8 AS wal
