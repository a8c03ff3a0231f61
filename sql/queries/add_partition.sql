-- Make the partition of one table for the day that is `offset` days from today (UTC).
SELECT ledger_add_partition($1::text, (now() AT TIME ZONE 'UTC')::date + $2::int) AS added
