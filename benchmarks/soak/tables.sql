-- What the sidecar's tables hold, partitions together: live and dead rows, and bytes of tables and of indexes.
SELECT sum(s.n_live_tup)::int8 AS live, sum(s.n_dead_tup)::int8 AS dead,
       sum(pg_table_size(s.relid))::int8 AS tables, sum(pg_indexes_size(s.relid))::int8 AS indexes,
       sum(s.autovacuum_count)::int8 AS vacuums
FROM pg_stat_user_tables s
