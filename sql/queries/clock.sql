-- The database's time, for those who do not beat.
SELECT extract(epoch FROM now())::float8 AS epoch
