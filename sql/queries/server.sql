-- What a start has to know of the server.
SELECT current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('server_version_num')::int AS version,
       to_regclass('schema_migration') IS NOT NULL AS migrated
