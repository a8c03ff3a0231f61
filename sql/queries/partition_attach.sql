-- Put a partition back: a row was opened while it was being taken off.
SELECT ledger_attach_partition($1::text, $2::text)
